// Which installed font can draw a text (Fontconfig).
#pragma once

#include <string>
#include <string_view>

namespace boxcar {

/// Valid UTF-8 with every character that no installed font has replaced by a hollow square.
std::string drawable_text(std::string_view utf8);

/// The family of a font that has the characters of the text: DejaVu Sans for Latin and most other alphabets.
std::string font_family_for(std::string_view utf8);

}  // namespace boxcar
