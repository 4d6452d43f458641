// Words of the command line: what stands there besides key=value. Internal to args/.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace boxcar {

/// Modes, tasks and special words, as candidates for a misspelt one.
std::vector<std::string_view> known_words();

/// Joins what a shell split: "a = 1", "a= 1" and "a =1" become "a=1", and words inside an open [ are joined until the
/// brackets balance. Throws ArgumentError for a [ that is never closed and an = that stands alone.
std::vector<std::string> join_words(const std::vector<std::string>& words);

/// The argument that a bare word switches on: one whose default is true or false, or half, int8, end2end, nms.
/// Throws ArgumentError for another argument ("needs a value") and for an unknown word.
std::string switch_name(std::string_view word);

}  // namespace boxcar
