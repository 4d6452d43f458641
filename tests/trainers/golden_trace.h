// The order of events in the reference, with what was to be seen at each.
#pragma once

#include <string>
#include <vector>

namespace boxcar::test {

/// The lines of a numbered section of the golden trace, one an event, with runs of blanks made one.
std::vector<std::string> golden_events(char section);

}  // namespace boxcar::test
