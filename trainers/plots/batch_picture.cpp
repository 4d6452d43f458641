#include "boxcar/trainers/plots/batch_picture.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/canvas.h"
#include "boxcar/trainers/plots/draw_boxes.h"
#include "boxcar/trainers/plots/printable.h"

namespace boxcar {
namespace {

constexpr std::size_t kNameCharacters = 40;
constexpr double kBorder = 2;  // pixels of white around a cell
constexpr double kMinFont = 18;
// Tags in the size that line widths follow from would hide the objects of a crowded picture.
constexpr double kTagShare = 0.6;

struct Grid {
  int side = 1;               // cells
  int width = 1, height = 1;  // of a cell, pixels
  double scale = 1;           // from pictures to cells
};

Grid grid_of(std::span<const BatchItem> items, int max_side) {
  Grid g;
  g.side = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(items.size()))));
  for (const BatchItem& item : items) {
    if (item.image.empty()) fail<ArgumentError>("batch picture: '{}' has no pixels", item.name);
    g.width = std::max(g.width, item.image.width);
    g.height = std::max(g.height, item.image.height);
  }
  g.scale = std::min(1.0, double(max_side) / g.side / std::max(g.width, g.height));
  g.width = std::max(1, static_cast<int>(std::ceil(g.width * g.scale)));
  g.height = std::max(1, static_cast<int>(std::ceil(g.height * g.scale)));
  return g;
}

std::vector<Box> placed(const BatchItem& item, const Grid& grid, const Rect& cell, const BatchPictureOptions& o) {
  std::vector<Box> out;
  const auto scale = static_cast<float>(grid.scale), x = static_cast<float>(cell.x), y = static_cast<float>(cell.y);
  for (const Box& b : item.boxes) {
    if (o.scores && !(b.conf > o.min_conf)) continue;
    out.push_back({b.x1 * scale + x, b.y1 * scale + y, b.x2 * scale + x, b.y2 * scale + y, b.conf, b.cls});
  }
  return out;
}

/// Grey on a veil of white, so that it reads on any picture.
void draw_name(Canvas& canvas, const Rect& cell, const std::string& name, double font) {
  const std::string text = printable(name, kNameCharacters);
  const double wanted = canvas.text_size(text, font).width + font;
  const double size = std::max(6.0, font * std::min(1.0, cell.width / wanted));
  const TextSize extent = canvas.text_size(text, size);
  canvas.clip(cell);
  canvas.fill({cell.x, cell.y, extent.width + size * 0.6, extent.height() + size * 0.2}, kWhite, 0.7);
  canvas.text(cell.x + size * 0.3, cell.y + size * 0.1 + extent.ascent, text, size, {70, 70, 70});
  canvas.unclip();
}

}  // namespace

Image batch_picture(std::span<const BatchItem> items, std::span<const std::string> names,
                    const BatchPictureOptions& options) {
  if (items.empty()) fail<ArgumentError>("batch picture: no images");
  if (options.max_items < 1 || options.max_side < 1) fail<ArgumentError>("batch picture: limits must be at least 1");
  items = items.first(std::min<std::size_t>(items.size(), options.max_items));
  const Grid grid = grid_of(items, options.max_side);
  const double font = std::max(kMinFont, std::floor((grid.height + grid.width) * grid.side * 0.01));
  const BoxStyle style{.line_width = std::round(font / 10),
                       .font_size = std::round(font * kTagShare),
                       .conf = options.scores,
                       .conf_decimals = 1};
  Canvas canvas(grid.side * grid.width, grid.side * grid.height);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Image& image = items[i].image;
    const Rect cell{double(i / grid.side) * grid.width, double(i % grid.side) * grid.height, double(grid.width),
                    double(grid.height)};
    canvas.picture(image, {cell.x, cell.y, image.width * grid.scale, image.height * grid.scale});
    draw_boxes(canvas, cell, placed(items[i], grid, cell, options), names, style);
    if (!items[i].name.empty()) draw_name(canvas, cell, items[i].name, style.font_size);
    canvas.outline(cell, kBorder, kWhite);
  }
  return canvas.image();
}

Image image_from_rgb(std::span<const float> rgb, int height, int width) {
  Image out{height, width, 3, {}};
  if (height < 1 || width < 1 || rgb.size() != static_cast<std::size_t>(height) * width * 3) {
    fail<ArgumentError>("image_from_rgb: {} values for {}x{} pixels", rgb.size(), width, height);
  }
  out.pixels.resize(rgb.size());
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    const float v = rgb[i] >= 0 ? std::min(rgb[i], 1.0f) : 0.0f;  // NaN is black
    out.pixels[i / 3 * 3 + 2 - i % 3] = static_cast<std::uint8_t>(std::lround(v * 255));
  }
  return out;
}

std::vector<Box> boxes_of_labels(std::span<const BoxLabel> labels, int width, int height) {
  std::vector<Box> out;
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  for (const BoxLabel& l : labels) {
    out.push_back({(l.xc - l.w / 2) * w, (l.yc - l.h / 2) * h, (l.xc + l.w / 2) * w, (l.yc + l.h / 2) * h, 1, l.cls});
  }
  return out;
}

}  // namespace boxcar
