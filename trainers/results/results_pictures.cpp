// The members of Results that need pixels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "boxcar/data/image/decode.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/draw_boxes.h"
#include "boxcar/trainers/results/results.h"

namespace boxcar {
namespace {

constexpr float kCropGain = 1.02f;
constexpr float kCropMargin = 10;  // pixels, added to width and height

std::shared_ptr<const Image> original_of(const Results& r) {
  return r.image ? r.image : std::make_shared<const Image>(decode_image(r.path));
}

/// Pixels first..last-1 of the crop along one axis: the box widened, its ends cut to whole pixels.
struct Span {
  int first, last;
};
Span crop_span(float low, float high, int side) {
  const float centre = (low + high) / 2, half = ((high - low) * kCropGain + kCropMargin) / 2;
  const auto cut = [&](float v) { return std::isfinite(v) ? static_cast<int>(std::clamp(v, 0.0f, float(side))) : 0; };
  return {cut(centre - half), cut(centre + half)};
}

Image cut_out(const Image& image, const Box& b) {
  const Span x = crop_span(b.x1, b.x2, image.width), y = crop_span(b.y1, b.y2, image.height);
  Image out{std::max(0, y.last - y.first), std::max(0, x.last - x.first), image.channels, {}};
  for (int row = y.first; row < y.last; ++row) {
    const std::uint8_t* from = image.row(row) + static_cast<std::ptrdiff_t>(x.first) * image.channels;
    if (out.width > 0)
      out.pixels.insert(out.pixels.end(), from, from + static_cast<std::ptrdiff_t>(out.width) * image.channels);
  }
  return out;
}

/// A class name as one folder: never a path, never "." or "..".
std::string folder_name(const std::string& name) {
  std::string out = name.substr(0, 200);
  for (char& c : out) {
    if (c == '/' || c == '\\' || static_cast<unsigned char>(c) < 0x20) c = '_';
  }
  return out.empty() || out == "." || out == ".." ? "_" + out : out;
}

}  // namespace

Image Results::plot(const PlotOptions& options) const {
  const auto picture = original_of(*this);
  Canvas canvas(*picture);
  BoxStyle style = style_for(canvas.width(), canvas.height());
  if (options.line_width > 0) style.line_width = options.line_width;
  if (options.font_size > 0) style.font_size = options.font_size;
  style.boxes = options.boxes;
  style.labels = options.labels && options.boxes;
  style.conf = options.conf;
  const Rect area{0, 0, double(canvas.width()), double(canvas.height())};
  draw_boxes(canvas, area, boxes, names ? std::span<const std::string>(*names) : std::span<const std::string>{}, style);
  return canvas.image();
}

void Results::save(const std::filesystem::path& file) const {
  const std::filesystem::path unnamed = "results_" + path.stem().string() + ".jpg";
  write_image(file.empty() ? unnamed : file, plot());
}

Image Results::crop(std::size_t i) const {
  if (i >= boxes.size()) fail<ArgumentError>("crop: there is no box {}, only {}", i, boxes.size());
  return cut_out(*original_of(*this), boxes[i]);
}

void Results::save_crop(const std::filesystem::path& folder, const std::string& stem) const {
  if (boxes.empty()) return;
  const auto picture = original_of(*this);
  const std::string base = stem.empty() ? path.stem().string() : folder_name(stem);
  for (const Box& b : boxes) {
    const Image part = cut_out(*picture, b);
    if (part.empty()) continue;
    const std::filesystem::path place = folder / folder_name(name_of(b.cls));
    std::filesystem::path file = place / (base + ".jpg");
    for (int n = 2; std::filesystem::exists(file); ++n) file = place / fmt::format("{}-{}.jpg", base, n);
    write_image(file, part);
  }
}

}  // namespace boxcar
