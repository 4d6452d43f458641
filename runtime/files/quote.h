// Text of unknown origin, made fit for a message of one line.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace boxcar {

/// 'text' in single quotes: control characters, quotes, backslashes and bytes that are not UTF-8 as \xNN,
/// at most `limit` bytes of it (then "..."), so that a name in a hostile file cannot spoil a message.
std::string quote(std::string_view text, std::size_t limit = 200);
/// The same for a path, which is never shortened.
std::string quote_path(const std::filesystem::path& path);

/// Whether a text is well-formed UTF-8.
bool is_utf8(std::string_view text);

}  // namespace boxcar
