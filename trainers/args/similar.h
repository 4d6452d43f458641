// Finds what a misspelt word may have meant.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boxcar {

/// Ratcliff/Obershelp similarity of two words: twice the letters in common runs over the sum of the lengths, 0..1.
/// Runs are found longest first, then left and right of it. Two empty words are equal (1).
double similarity(std::string_view a, std::string_view b);

/// Up to `count` candidates at least `lowest` similar to `word`, most similar first.
std::vector<std::string> nearest_words(std::string_view word, const std::vector<std::string>& candidates,
                                       std::size_t count = 3, double lowest = 0.6);

/// ", did you mean a, b or c?" of the words given, or nothing for none.
std::string did_you_mean(const std::vector<std::string>& words);

}  // namespace boxcar
