#include "boxcar/trainers/plots/fonts.h"

#include <fontconfig/fontconfig.h>

#include <memory>

namespace boxcar {
namespace {

constexpr const char* kFamily = "DejaVu Sans";
constexpr const char* kHollowSquare = "\xE2\x96\xA1";
constexpr FcChar32 kSurelyCovered = 0x0500;  // Latin, Greek, Cyrillic

struct CharSetDeleter {
  void operator()(FcCharSet* s) const { FcCharSetDestroy(s); }
};
struct PatternDeleter {
  void operator()(FcPattern* p) const { FcPatternDestroy(p); }
};
using CharSet = std::unique_ptr<FcCharSet, CharSetDeleter>;
using Pattern = std::unique_ptr<FcPattern, PatternDeleter>;

/// Calls f(code point, its bytes) for every character.
template <class F>
void for_each_character(std::string_view text, F f) {
  while (!text.empty()) {
    FcChar32 c = 0;
    const int length = FcUtf8ToUcs4(reinterpret_cast<const FcChar8*>(text.data()), &c, static_cast<int>(text.size()));
    if (length <= 0) return;
    f(c, text.substr(0, length));
    text.remove_prefix(length);
  }
}

Pattern pattern_of(const CharSet& characters) {
  Pattern pattern(FcPatternCreate());
  FcPatternAddCharSet(pattern.get(), FC_CHARSET, characters.get());
  return pattern;
}

bool some_font_has(FcChar32 c) {
  const CharSet one(FcCharSetCreate());
  FcCharSetAddChar(one.get(), c);
  FcObjectSet* wanted = FcObjectSetBuild(FC_FAMILY, nullptr);
  FcFontSet* fonts = FcFontList(nullptr, pattern_of(one).get(), wanted);
  const bool found = fonts && fonts->nfont > 0;
  if (fonts) FcFontSetDestroy(fonts);
  FcObjectSetDestroy(wanted);
  return found;
}

}  // namespace

std::string drawable_text(std::string_view utf8) {
  std::string out;
  for_each_character(utf8, [&](FcChar32 c, std::string_view bytes) {
    out += c < kSurelyCovered || some_font_has(c) ? bytes : std::string_view(kHollowSquare);
  });
  return out;
}

std::string font_family_for(std::string_view utf8) {
  const CharSet characters(FcCharSetCreate());
  bool common = true;
  for_each_character(utf8, [&](FcChar32 c, std::string_view) {
    FcCharSetAddChar(characters.get(), c);
    common = common && c < kSurelyCovered;
  });
  if (common) return kFamily;
  const Pattern pattern = pattern_of(characters);
  FcPatternAddString(pattern.get(), FC_FAMILY, reinterpret_cast<const FcChar8*>(kFamily));
  FcConfigSubstitute(nullptr, pattern.get(), FcMatchPattern);
  FcDefaultSubstitute(pattern.get());
  FcResult result;
  FcFontSet* fonts = FcFontSort(nullptr, pattern.get(), FcFalse, nullptr, &result);
  std::string family = kFamily;
  for (int i = 0; fonts && i < fonts->nfont; ++i) {
    FcCharSet* has = nullptr;
    FcChar8* name = nullptr;
    if (FcPatternGetCharSet(fonts->fonts[i], FC_CHARSET, 0, &has) != FcResultMatch) continue;
    if (!FcCharSetIsSubset(characters.get(), has)) continue;
    if (FcPatternGetString(fonts->fonts[i], FC_FAMILY, 0, &name) != FcResultMatch) continue;
    family = reinterpret_cast<const char*>(name);
    break;
  }
  if (fonts) FcFontSetDestroy(fonts);
  return family;
}

}  // namespace boxcar
