#include "boxcar/trainers/plots/draw_boxes.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "boxcar/trainers/plots/printable.h"

namespace boxcar {
namespace {

constexpr std::size_t kTagCharacters = 40;

bool drawable(const Box& b, const Rect& area) {
  if (!std::isfinite(b.x1) || !std::isfinite(b.y1) || !std::isfinite(b.x2) || !std::isfinite(b.y2)) return false;
  return b.x2 >= area.x && b.y2 >= area.y && b.x1 <= area.x + area.width && b.y1 <= area.y + area.height;
}

/// The outline, with its whole line inside the area: an object cut by the border shows its edge there.
Rect outline_of(const Box& b, const Rect& area, double line) {
  const double inset = line / 2;
  const double left = area.x + inset, right = std::max(left, area.x + area.width - inset);
  const double top = area.y + inset, bottom = std::max(top, area.y + area.height - inset);
  const double x1 = std::clamp<double>(b.x1, left, right), x2 = std::clamp<double>(b.x2, left, right);
  const double y1 = std::clamp<double>(b.y1, top, bottom), y2 = std::clamp<double>(b.y2, top, bottom);
  return {x1, y1, x2 - x1, y2 - y1};
}

std::string tag_text(const Box& b, std::span<const std::string> names, const BoxStyle& style) {
  const std::string name = printable(class_name(names, b.cls), kTagCharacters);
  return style.conf ? fmt::format("{} {:.{}f}", name, b.conf, style.conf_decimals) : name;
}

void draw_tag(Canvas& canvas, const Rect& area, const Rect& box, const std::string& text, Color color,
              const BoxStyle& style) {
  const TextSize size = canvas.text_size(text, style.font_size);
  const double padding = std::max(2.0, style.font_size * 0.2), half = style.line_width / 2;
  Rect tag{box.x - half, 0, size.width + 2 * padding, size.height()};
  const double above = box.y - half - tag.height;
  tag.y = above >= area.y ? above : std::max(area.y, box.y - half);
  tag.x = std::max(area.x, std::min(tag.x, area.x + area.width - tag.width));
  tag.y = std::max(area.y, std::min(tag.y, area.y + area.height - tag.height));
  canvas.fill(tag, color);
  canvas.text(tag.x + padding, tag.y + size.ascent, text, style.font_size, text_color_on(color));
}

}  // namespace

std::string class_name(std::span<const std::string> names, int cls) {
  return cls >= 0 && static_cast<std::size_t>(cls) < names.size() ? names[cls] : std::to_string(cls);
}

BoxStyle style_for(int width, int height) {
  const double mean_side = (width + height) / 2.0;
  BoxStyle style;
  style.line_width = std::max(2.0, std::round(mean_side * 0.003));
  style.font_size = std::max(12.0, std::round(mean_side * 0.024));
  return style;
}

void draw_boxes(Canvas& canvas, const Rect& area, std::span<const Box> boxes, std::span<const std::string> names,
                const BoxStyle& style) {
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return boxes[a].conf < boxes[b].conf; });
  std::erase_if(order, [&](std::size_t i) { return !drawable(boxes[i], area); });
  canvas.clip(area);
  const auto outline = [&](const Box& b) { return outline_of(b, area, style.line_width); };
  for (const std::size_t i : order) {
    if (style.boxes) canvas.outline(outline(boxes[i]), style.line_width, class_color(boxes[i].cls));
  }
  for (const std::size_t i : order) {  // after all outlines, so that none crosses a tag
    if (!style.labels) break;
    const std::string text = tag_text(boxes[i], names, style);
    draw_tag(canvas, area, outline(boxes[i]), text, class_color(boxes[i].cls), style);
  }
  canvas.unclip();
}

}  // namespace boxcar
