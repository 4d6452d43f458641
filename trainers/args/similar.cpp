#include "boxcar/trainers/args/similar.h"

#include <algorithm>

namespace boxcar {
namespace {

// Compared words come from users: beyond this length a word is no misspelt name, and the search is cubic at worst.
constexpr std::size_t kLongestWord = 64;

struct Run {
  std::size_t a = 0, b = 0, length = 0;
};

/// The longest common run; of equally long ones the first in a, then in b.
Run longest_run(std::string_view a, std::string_view b) {
  Run best;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t n = 0;
      while (i + n < a.size() && j + n < b.size() && a[i + n] == b[j + n]) ++n;
      if (n > best.length) best = {i, j, n};
    }
  return best;
}

std::size_t common_letters(std::string_view a, std::string_view b) {
  const Run run = longest_run(a, b);
  if (run.length == 0) return 0;
  return run.length + common_letters(a.substr(0, run.a), b.substr(0, run.b)) +
         common_letters(a.substr(run.a + run.length), b.substr(run.b + run.length));
}

}  // namespace

double similarity(std::string_view a, std::string_view b) {
  if (a.empty() && b.empty()) return 1;
  if (a.size() > kLongestWord || b.size() > kLongestWord) return a == b ? 1 : 0;
  return 2.0 * static_cast<double>(common_letters(a, b)) / static_cast<double>(a.size() + b.size());
}

std::vector<std::string> nearest_words(std::string_view word, const std::vector<std::string>& candidates,
                                       std::size_t count, double lowest) {
  std::vector<std::pair<double, std::string>> found;
  for (const std::string& candidate : candidates)
    if (const double s = similarity(candidate, word); s >= lowest) found.emplace_back(s, candidate);
  std::sort(found.rbegin(), found.rend());
  std::vector<std::string> out;
  for (const auto& [score, candidate] : found)
    if (out.size() < count && std::ranges::find(out, candidate) == out.end()) out.push_back(candidate);
  return out;
}

std::string did_you_mean(const std::vector<std::string>& words) {
  std::string out;
  for (std::size_t i = 0; i < words.size(); ++i)
    out += (i == 0 ? ", did you mean " : i + 1 == words.size() ? " or " : ", ") + words[i];
  return out.empty() ? out : out + "?";
}

}  // namespace boxcar
