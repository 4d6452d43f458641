#include "boxcar/trainers/args/words.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/trainers/args/command_line.h"
#include "boxcar/trainers/args/table.h"

namespace boxcar {
namespace {

/// [ minus ] in a word, which tells whether a list is still open after it.
int open_brackets(std::string_view word) {
  return static_cast<int>(std::ranges::count(word, '[') - std::ranges::count(word, ']'));
}

std::vector<std::string> join_equals(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  bool open = false;  // the last word of `out` waits for its value
  for (const std::string& word : words) {
    const bool begins = word.starts_with('=');
    if (out.empty() && begins) fail<ArgumentError>("{} has no argument name before the '='", quote(word));
    if (open || (begins && !out.empty() && out.back().find('=') == std::string::npos))
      out.back() += word;
    else
      out.push_back(word);
    open = (word == "=" || (word.ends_with('=') && std::ranges::count(out.back(), '=') == 1));
  }
  return out;
}

std::vector<std::string> join_brackets(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  int depth = 0;
  for (const std::string& word : words) {
    if (depth > 0)
      out.back() += word;
    else
      out.push_back(word);
    depth = std::max(0, depth + open_brackets(word));
  }
  if (depth > 0) fail<ArgumentError>("{} has a '[' that is never closed", quote(out.back()));
  return out;
}

}  // namespace

std::vector<std::string> join_words(const std::vector<std::string>& words) { return join_brackets(join_equals(words)); }

std::string switch_name(std::string_view word) {
  for (const std::string_view other : {"half", "int8", "end2end", "nms"})
    if (word == other) return std::string(word);
  for (const auto& [key, value] : default_settings()) {
    if (key != word) continue;
    if (value.is_bool()) return key;
    fail<ArgumentError>("argument '{}' needs a value: write {}={}", key, key, value.to_text());
  }
  fail<ArgumentError>("{}", unknown_argument(word));
}

std::vector<std::string> split_words(std::string_view line) {
  std::vector<std::string> out;
  std::string word;
  bool in_word = false;
  char open_quote = '\0';
  for (const char c : line) {
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (open_quote) {
      if (c == open_quote)
        open_quote = '\0';
      else
        word += c;
    } else if (c == '\'' || c == '"') {
      open_quote = c;
      in_word = true;
    } else if (!blank) {
      word += c;
      in_word = true;
    } else if (in_word) {
      out.push_back(std::exchange(word, {}));
      in_word = false;
    }
  }
  if (open_quote) fail<ArgumentError>("a quote is never closed in {}", quote(line));
  if (in_word) out.push_back(word);
  return out;
}

}  // namespace boxcar
