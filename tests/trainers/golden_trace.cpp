#include "trainers/golden_trace.h"

#include <fstream>
#include <sstream>

#include "support/golden.h"

namespace boxcar::test {

std::vector<std::string> golden_events(char section) {
  std::ifstream in(shared("golden/trainer/callback_trace.txt"));
  std::vector<std::string> lines;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("#")) inside = line.size() > 2 && line[2] == section;
    if (!inside || !(line.starts_with("on_") || line.starts_with("teardown"))) continue;
    std::istringstream words(line);
    std::string joined;
    for (std::string word; words >> word;) joined += (joined.empty() ? "" : " ") + word;
    lines.push_back(joined);
  }
  return lines;
}

}  // namespace boxcar::test
