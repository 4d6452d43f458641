#include "boxcar/trainers/plots/labels_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/canvas.h"
#include "boxcar/trainers/plots/draw_boxes.h"
#include "boxcar/trainers/plots/printable.h"

namespace boxcar {
namespace {

constexpr int kSide = 1600;
constexpr double kFont = 22, kSmallFont = 18;
constexpr int kBins = 50;
constexpr int kNamedClasses = 30;
constexpr std::size_t kOutlines = 500;
constexpr Color kInk{60, 60, 60}, kGrid{228, 228, 228};

/// Frames of the four panels, with room for what stands beside them.
constexpr Rect kBars{120, 60, 640, 560}, kCentred{900, 60, 640, 640}, kPlaces{120, 880, 640, 640},
    kSizes{900, 880, 640, 640};

void centred_text(Canvas& c, double x, double y, const std::string& text, double size) {
  c.text(x - c.text_size(text, size).width / 2, y, text, size, kInk);
}

/// 1, 2 or 5 times a power of ten that gives about five steps.
double step_for(double max) {
  const double raw = std::max(max, 1.0) / 5, power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power) return std::max(1.0, factor * power);
  }
  return 10 * power;
}

void draw_scale(Canvas& c, const Rect& frame, double max) {
  const double step = step_for(max);
  for (double v = 0; v <= max; v += step) {
    const double y = frame.y + frame.height * (1 - v / max);
    c.line(frame.x, y, frame.x + frame.width, y, 1, kGrid);
    const std::string text = fmt::format("{:g}", v);
    c.text(frame.x - 10 - c.text_size(text, kSmallFont).width, y + kSmallFont * 0.35, text, kSmallFont, kInk);
  }
  const double middle = frame.y + frame.height / 2 + c.text_size("instances", kFont).width / 2;
  c.text_upwards(34, middle, "instances", kFont, kInk);
}

/// The name below its bar: level if all fit, else upwards.
void draw_class_name(Canvas& c, const Rect& frame, double centre, const std::string& name, double room, bool level) {
  const double size = std::min(kSmallFont, room * 0.9);
  const double below = frame.y + frame.height + 12;
  if (level) {
    centred_text(c, centre, below + size, name, size);
  } else {
    c.text_upwards(centre + size * 0.35, below + c.text_size(name, size).width, name, size, kInk);
  }
}

void draw_bars(Canvas& c, const std::vector<std::int64_t>& counts, std::span<const std::string> names) {
  const auto nc = static_cast<int>(counts.size());
  const auto max =
      static_cast<double>(std::max<std::int64_t>(1, *std::max_element(counts.begin(), counts.end()))) * 1.08;
  const double room = kBars.width / nc;
  draw_scale(c, kBars, max);
  std::vector<std::string> texts;
  bool level = true;
  for (int i = 0; nc < kNamedClasses && i < nc; ++i) {
    texts.push_back(printable(class_name(names, i), 16));
    level = level && c.text_size(texts.back(), kSmallFont).width < room * 0.95;
  }
  for (int i = 0; i < nc; ++i) {
    const double height = kBars.height * static_cast<double>(counts[i]) / max, centre = kBars.x + (i + 0.5) * room;
    c.fill({centre - room * 0.4, kBars.y + kBars.height - height, room * 0.8, height}, on_white(class_color(i)));
    if (texts.empty()) continue;
    const std::string count = std::to_string(counts[i]);
    const double size = std::min(kSmallFont, kSmallFont * room * 0.95 / c.text_size(count, kSmallFont).width);
    centred_text(c, centre, kBars.y + kBars.height - height - 6, count, size);
    draw_class_name(c, kBars, centre, texts[i], room, level);
  }
  if (texts.empty()) centred_text(c, kBars.x + kBars.width / 2, kBars.y + kBars.height + 34, "classes", kFont);
  c.line(kBars.x, kBars.y + kBars.height, kBars.x + kBars.width, kBars.y + kBars.height, 2, kInk);
}

void draw_outlines(Canvas& c, std::span<const BoxLabel> labels) {
  c.clip(kCentred);
  for (const BoxLabel& l : labels.first(std::min(labels.size(), kOutlines))) {
    if (!std::isfinite(l.w) || !std::isfinite(l.h)) continue;
    const double w = std::clamp(l.w, 0.0f, 2.0f) * kCentred.width, h = std::clamp(l.h, 0.0f, 2.0f) * kCentred.height;
    c.outline({kCentred.x + (kCentred.width - w) / 2, kCentred.y + (kCentred.height - h) / 2, w, h}, 1.5,
              on_white(class_color(l.cls)));
  }
  c.unclip();
  c.outline(kCentred, 1, kGrid);
  centred_text(c, kCentred.x + kCentred.width / 2, kCentred.y + kCentred.height + 34,
               fmt::format("first {} boxes, centred", std::min(labels.size(), kOutlines)), kFont);
}

using Histogram = std::vector<std::int64_t>;  // [kBins][kBins], row by row from the top

template <class F>
Histogram histogram(std::span<const BoxLabel> labels, F point) {
  Histogram bins(kBins * kBins, 0);
  for (const BoxLabel& l : labels) {
    const auto [x, y] = point(l);
    if (!(x >= 0 && x <= 1 && y >= 0 && y <= 1)) continue;
    const int column = std::min(kBins - 1, static_cast<int>(x * kBins)),
              row = std::min(kBins - 1, static_cast<int>(y * kBins));
    ++bins[row * kBins + column];
  }
  return bins;
}

/// White to blue. The square root lets rare bins be seen beside frequent ones.
Color shade(std::int64_t count, std::int64_t max) {
  const double t = max ? std::sqrt(static_cast<double>(count) / static_cast<double>(max)) : 0;
  const auto mix = [&](int to) { return static_cast<std::uint8_t>(std::lround(255 + (to - 255) * t)); };
  return {mix(8), mix(48), mix(150)};
}

void draw_histogram(Canvas& c, const Rect& frame, const Histogram& bins, bool upwards, const char* x, const char* y) {
  const std::int64_t max = *std::max_element(bins.begin(), bins.end());
  const double w = frame.width / kBins, h = frame.height / kBins;
  for (int row = 0; row < kBins; ++row) {
    for (int column = 0; column < kBins; ++column) {
      const std::int64_t count = bins[row * kBins + column];
      const int shown = upwards ? kBins - 1 - row : row;
      if (count) c.fill({frame.x + column * w, frame.y + shown * h, w, h}, shade(count, max));
    }
  }
  c.outline(frame, 1.5, kInk);
  for (int i = 0; i <= 5; ++i) {
    const std::string text = fmt::format("{:.1f}", i * 0.2);
    const double share = i * 0.2;
    centred_text(c, frame.x + frame.width * share, frame.y + frame.height + 8 + kSmallFont, text, kSmallFont);
    c.text(frame.x - 10 - c.text_size(text, kSmallFont).width,
           frame.y + frame.height * (upwards ? 1 - share : share) + kSmallFont * 0.35, text, kSmallFont, kInk);
  }
  centred_text(c, frame.x + frame.width / 2, frame.y + frame.height + 58, x, kFont);
  c.text_upwards(frame.x - 62, frame.y + frame.height / 2 + c.text_size(y, kFont).width / 2, y, kFont, kInk);
}

}  // namespace

Image labels_picture(std::span<const BoxLabel> labels, std::span<const std::string> names, int nc) {
  if (nc < 1) fail<ArgumentError>("labels picture: {} classes; at least one is needed", nc);
  std::vector<std::int64_t> counts(nc, 0);
  std::vector<BoxLabel> known;
  for (const BoxLabel& l : labels) {
    if (l.cls < 0 || l.cls >= nc) continue;
    ++counts[l.cls];
    known.push_back(l);
  }
  Canvas canvas(kSide, kSide);
  draw_bars(canvas, counts, names);
  draw_outlines(canvas, known);
  // Centres as in the image, from the top; sizes as in a chart, from the bottom.
  draw_histogram(canvas, kPlaces, histogram(known, [](const BoxLabel& l) { return std::pair(l.xc, l.yc); }), false, "x",
                 "y");
  draw_histogram(canvas, kSizes, histogram(known, [](const BoxLabel& l) { return std::pair(l.w, l.h); }), true, "width",
                 "height");
  return canvas.image();
}

}  // namespace boxcar
