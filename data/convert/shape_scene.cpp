#include "boxcar/data/convert/shape_scene.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

#include "boxcar/data/convert/cairo_canvas.h"
#include "boxcar/data/convert/shape_background.h"

namespace boxcar {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;
constexpr double kLeastVisible = 1.0 / 3;
constexpr double kSmallest = 0.045, kLargest = 0.26;  // radius as a share of the longer side
constexpr double kLeastSide = 3;                      // pixels of a labelled box

struct Rect {
  double x1, y1, x2, y2;
};

struct Shape {
  int cls = 0;
  double x = 0, y = 0, radius = 0, angle = 0, aspect = 1;  // pixels, radians, height against width
  double detail = 0.5;                                     // 0 to 1: how deep a star is cut, how thick a ring is
  Colour colour;
  double hue = 0;
};

void add_polygon(cairo_t* c, int corners, double inner) {
  const int points = inner > 0 ? 2 * corners : corners;
  for (int i = 0; i < points; ++i) {
    const double r = inner > 0 && i % 2 == 1 ? inner : 1, a = kTurn * i / points - kTurn / 4;
    cairo_line_to(c, r * std::cos(a), r * std::sin(a));
  }
  cairo_close_path(c);
}

void add_heart(cairo_t* c) {
  cairo_move_to(c, 0, 0.95);
  cairo_curve_to(c, -0.55, 0.5, -1.0, 0.15, -1.0, -0.35);
  cairo_curve_to(c, -1.0, -0.95, -0.25, -1.05, 0, -0.45);
  cairo_curve_to(c, 0.25, -1.05, 1.0, -0.95, 1.0, -0.35);
  cairo_curve_to(c, 1.0, 0.15, 0.55, 0.5, 0, 0.95);
  cairo_close_path(c);
}

/// The outline of a class, about 1 in radius around the origin. A ring's hole turns the other way round.
void add_outline(cairo_t* c, const Shape& s) {
  switch (s.cls) {
    case 0:
      cairo_arc(c, 0, 0, 1, 0, kTurn);
      break;
    case 1:
      cairo_rectangle(c, -0.85, -0.85, 1.7, 1.7);
      break;
    case 2:
      add_polygon(c, 3, 0);
      break;
    case 3:
      add_polygon(c, 5, 0.36 + 0.16 * s.detail);
      break;
    case 4:
      cairo_arc(c, 0, 0, 1, 0, kTurn);
      cairo_close_path(c);
      cairo_new_sub_path(c);
      cairo_arc_negative(c, 0, 0, 0.45 + 0.25 * s.detail, kTurn, 0);
      break;
    default:
      add_heart(c);
  }
  cairo_close_path(c);
}

/// Leaves the shape as the current path, in pixels. Its size may be changed and its place shifted.
void add_path(cairo_t* c, const Shape& s, double scale = 1, double dx = 0, double dy = 0) {
  cairo_new_path(c);
  cairo_save(c);
  cairo_translate(c, s.x + dx, s.y + dy);
  cairo_rotate(c, s.angle);
  cairo_scale(c, s.radius * scale, s.radius * scale * s.aspect);
  add_outline(c, s);
  cairo_restore(c);
}

Rect extent_of(cairo_t* c, const Shape& s) {
  add_path(c, s);
  Rect r{};
  cairo_path_extents(c, &r.x1, &r.y1, &r.x2, &r.y2);
  cairo_new_path(c);
  return r;
}

/// A soft shadow: the same shape a few times, each time larger.
void draw_shadow(cairo_t* c, const Shape& s) {
  const double shift = s.radius * 0.08;
  for (int i = 0; i < 5; ++i) {
    add_path(c, s, 0.98 + 0.025 * i, shift, 1.3 * shift);
    cairo_set_source_rgba(c, 0, 0, 0, 0.075);
    cairo_fill(c);
  }
}

void draw_body(cairo_t* c, const Shape& s) {
  const CairoPtr<cairo_pattern_t> light(cairo_pattern_create_radial(s.x - s.radius * 0.4, s.y - s.radius * 0.5,
                                                                    s.radius * 0.1, s.x, s.y, s.radius * 1.3));
  const Colour bright = s.colour.lighter(0.35), dark = s.colour.lighter(-0.3);
  cairo_pattern_add_color_stop_rgb(light.get(), 0, bright.r, bright.g, bright.b);
  cairo_pattern_add_color_stop_rgb(light.get(), 0.5, s.colour.r, s.colour.g, s.colour.b);
  cairo_pattern_add_color_stop_rgb(light.get(), 1, dark.r, dark.g, dark.b);
  add_path(c, s);
  cairo_set_source(c, light.get());
  cairo_fill(c);
}

/// A darker line just inside the outline, so that the box stays that of the path.
void draw_rim(cairo_t* c, const Shape& s) {
  const Colour rim = s.colour.lighter(-0.5);
  cairo_save(c);
  add_path(c, s);
  cairo_clip_preserve(c);
  cairo_set_source_rgba(c, rim.r, rim.g, rim.b, 0.85);
  cairo_set_line_width(c, std::max(1.5, s.radius * 0.09));
  cairo_stroke(c);
  cairo_restore(c);
}

Shape draw_lots(Random& random, int width, int height, double background_hue) {
  Shape s;
  const double side = std::max(width, height);
  s.cls = static_cast<int>(random.below(std::size(kShapeNames)));
  s.radius = side * std::exp(random.uniform(std::log(kSmallest), std::log(kLargest)));
  s.angle = random.uniform(0, kTurn);
  s.aspect = s.cls == 0 || s.cls == 4 ? 1 : random.uniform(0.82, 1.0);
  s.detail = random.uniform();
  // Near enough to the border to be cut by it now and then.
  s.x = random.uniform(0.2 * s.radius, width - 0.2 * s.radius);
  s.y = random.uniform(0.2 * s.radius, height - 0.2 * s.radius);
  // Away from the background's hue, or plainly lighter or darker than it.
  s.hue = background_hue + random.uniform(0.12, 0.88);
  s.colour = colour_of(s.hue, random.uniform(0.55, 0.95), random.uniform(0.35, 0.68));
  return s;
}

/// Which shape owns each pixel, and how many pixels each has in all, those beyond the border included.
class Coverage {
 public:
  Coverage(int height, int width)
      : height_(height), width_(width), owner_(std::size_t(height) * std::size_t(width), -1) {}

  void add(const Shape& s, const Rect& extent) {
    const int x0 = static_cast<int>(std::floor(extent.x1)), y0 = static_cast<int>(std::floor(extent.y1));
    const Canvas mask(static_cast<int>(std::ceil(extent.y2)) - y0 + 1, static_cast<int>(std::ceil(extent.x2)) - x0 + 1,
                      true);
    add_path(mask.context(), s, 1, -x0, -y0);
    cairo_fill(mask.context());
    const int id = static_cast<int>(pixels_.size());
    pixels_.push_back(0);
    for (int y = 0; y < mask.height(); ++y) {
      const unsigned char* row = mask.row(y);
      for (int x = 0; x < mask.width(); ++x) {
        if (row[x] < 128) continue;
        ++pixels_.back();
        const int px = x + x0, py = y + y0;
        if (px >= 0 && py >= 0 && px < width_ && py < height_)
          owner_[std::size_t(py) * std::size_t(width_) + std::size_t(px)] = id;
      }
    }
  }
  /// The share of each shape that can be seen.
  std::vector<double> visible() const {
    std::vector<double> share(pixels_.size(), 0.0);
    for (const int id : owner_)
      if (id >= 0) share[static_cast<std::size_t>(id)] += 1;
    for (std::size_t i = 0; i < share.size(); ++i) share[i] /= std::max(1, pixels_[i]);
    return share;
  }

 private:
  int height_, width_;
  std::vector<int> owner_, pixels_;
};

double overlap(const Rect& a, const Rect& b) {
  const double w = std::min(a.x2, b.x2) - std::max(a.x1, b.x1), h = std::min(a.y2, b.y2) - std::max(a.y1, b.y1);
  if (w <= 0 || h <= 0) return 0;
  return w * h / std::min((a.x2 - a.x1) * (a.y2 - a.y1), (b.x2 - b.x1) * (b.y2 - b.y1));
}

/// A few tries for a place without much overlap; what the last one gives is taken, so that
/// some shapes do hide others.
Shape place_shape(Random& random, const Canvas& canvas, const std::vector<Rect>& taken, double background_hue) {
  constexpr int kTries = 6;
  for (int i = 1;; ++i) {
    const Shape s = draw_lots(random, canvas.width(), canvas.height(), background_hue);
    const Rect r = extent_of(canvas.context(), s);
    const bool crowded = std::any_of(taken.begin(), taken.end(), [&](const Rect& t) { return overlap(r, t) > 0.25; });
    if (!crowded || i == kTries) return s;
  }
}

BoxLabel label_of(const Shape& s, const Rect& r, int width, int height) {
  const double x1 = std::max(r.x1, 0.0), y1 = std::max(r.y1, 0.0);
  const double x2 = std::min<double>(r.x2, width), y2 = std::min<double>(r.y2, height);
  return {s.cls, static_cast<float>((x1 + x2) / 2 / width), static_cast<float>((y1 + y2) / 2 / height),
          static_cast<float>((x2 - x1) / width), static_cast<float>((y2 - y1) / height)};
}

}  // namespace

ShapeScene draw_shape_scene(Random& random, int imgsz, int most_objects, bool empty) {
  constexpr double kAspects[] = {1.0, 0.75, 0.8, 0.6667};
  const int other = static_cast<int>(std::lround(imgsz * kAspects[random.below(std::size(kAspects))]));
  const bool wide = random.uniform() < 0.6;
  const Canvas canvas(wide ? other : imgsz, wide ? imgsz : other);
  const double hue = random.uniform();
  draw_background(canvas, random, hue);

  std::vector<Shape> shapes;
  std::vector<Rect> extents;
  Coverage coverage(canvas.height(), canvas.width());
  const int count = empty ? 0 : 1 + static_cast<int>(random.below(static_cast<std::uint32_t>(most_objects)));
  for (int i = 0; i < count; ++i) {
    shapes.push_back(place_shape(random, canvas, extents, hue));
    extents.push_back(extent_of(canvas.context(), shapes.back()));
    coverage.add(shapes.back(), extents.back());
    draw_shadow(canvas.context(), shapes.back());
    draw_body(canvas.context(), shapes.back());
    draw_rim(canvas.context(), shapes.back());
  }
  ShapeScene scene{canvas.to_image(), {}};
  add_grain(scene.image, random);
  const std::vector<double> visible = coverage.visible();
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const BoxLabel label = label_of(shapes[i], extents[i], canvas.width(), canvas.height());
    const bool large = label.w * canvas.width() >= kLeastSide && label.h * canvas.height() >= kLeastSide;
    if (visible[i] >= kLeastVisible && large) scene.boxes.push_back(label);
  }
  return scene;
}

}  // namespace boxcar
