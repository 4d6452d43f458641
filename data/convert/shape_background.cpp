#include "boxcar/data/convert/shape_background.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace boxcar {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

void set_colour(cairo_t* c, const Colour& colour, double alpha = 1) {
  cairo_set_source_rgba(c, colour.r, colour.g, colour.b, alpha);
}

void fill_gradient(const Canvas& canvas, Random& random, double hue) {
  const double w = canvas.width(), h = canvas.height(), angle = random.uniform(0, kTurn);
  const double dx = std::cos(angle) * w / 2, dy = std::sin(angle) * h / 2;
  const CairoPtr<cairo_pattern_t> gradient(cairo_pattern_create_linear(w / 2 - dx, h / 2 - dy, w / 2 + dx, h / 2 + dy));
  const double lightness = random.uniform(0.25, 0.8), saturation = random.uniform(0.15, 0.6);
  for (const double at : {0.0, 0.5, 1.0}) {
    const Colour c = colour_of(hue + random.uniform(-0.08, 0.08), saturation,
                               std::clamp(lightness + random.uniform(-0.16, 0.16), 0.12, 0.92));
    cairo_pattern_add_color_stop_rgb(gradient.get(), at, c.r, c.g, c.b);
  }
  cairo_set_source(canvas.context(), gradient.get());
  cairo_paint(canvas.context());
}

/// Large soft spots of light and shade.
void draw_clouds(const Canvas& canvas, Random& random, double hue) {
  const double side = std::max(canvas.width(), canvas.height());
  const int count = 6 + static_cast<int>(random.below(8));
  for (int i = 0; i < count; ++i) {
    const double x = random.uniform(0, canvas.width()), y = random.uniform(0, canvas.height());
    const double radius = side * random.uniform(0.12, 0.45);
    const Colour c = colour_of(hue + random.uniform(-0.12, 0.12), 0.5, random.uniform(0.15, 0.9));
    const CairoPtr<cairo_pattern_t> spot(cairo_pattern_create_radial(x, y, 0, x, y, radius));
    cairo_pattern_add_color_stop_rgba(spot.get(), 0, c.r, c.g, c.b, random.uniform(0.15, 0.4));
    cairo_pattern_add_color_stop_rgba(spot.get(), 1, c.r, c.g, c.b, 0);
    cairo_set_source(canvas.context(), spot.get());
    cairo_paint(canvas.context());
  }
}

/// Coordinates turned by a random angle about the centre; drawing over `reach` each way covers the canvas.
double turn(const Canvas& canvas, Random& random) {
  cairo_translate(canvas.context(), canvas.width() / 2.0, canvas.height() / 2.0);
  cairo_rotate(canvas.context(), random.uniform(0, kTurn));
  return std::hypot(canvas.width(), canvas.height()) / 2;
}

void draw_stripes(const Canvas& canvas, Random& random, double hue) {
  cairo_t* c = canvas.context();
  const double reach = turn(canvas, random), step = reach * random.uniform(0.05, 0.2);
  set_colour(c, colour_of(hue + 0.04, 0.4, random.uniform(0.2, 0.9)), random.uniform(0.1, 0.3));
  for (double x = -reach; x < reach; x += step) cairo_rectangle(c, x, -reach, step / 2, 2 * reach);
  cairo_fill(c);
}

void draw_dots(const Canvas& canvas, Random& random, double hue) {
  cairo_t* c = canvas.context();
  const double reach = turn(canvas, random), step = reach * random.uniform(0.06, 0.14);
  const double radius = step * random.uniform(0.08, 0.22);
  set_colour(c, colour_of(hue - 0.04, 0.4, random.uniform(0.2, 0.95)), random.uniform(0.15, 0.35));
  for (double y = -reach; y < reach; y += step)
    for (double x = -reach; x < reach; x += step) {
      cairo_new_sub_path(c);
      cairo_arc(c, x, y, radius, 0, kTurn);
    }
  cairo_fill(c);
}

void draw_waves(const Canvas& canvas, Random& random, double hue) {
  cairo_t* c = canvas.context();
  const double reach = turn(canvas, random), step = reach * random.uniform(0.08, 0.16);
  const double height = step * random.uniform(0.2, 0.5), length = reach * random.uniform(0.2, 0.5);
  set_colour(c, colour_of(hue + 0.06, 0.45, random.uniform(0.25, 0.95)), random.uniform(0.15, 0.35));
  cairo_set_line_width(c, step * random.uniform(0.1, 0.35));
  for (double y = -reach; y < reach; y += step) {
    cairo_move_to(c, -reach, y);
    for (double x = -reach; x < reach; x += length / 16) cairo_line_to(c, x, y + height * std::sin(kTurn * x / length));
    cairo_stroke(c);
  }
}

void draw_grid(const Canvas& canvas, Random& random, double hue) {
  cairo_t* c = canvas.context();
  const double reach = turn(canvas, random), step = reach * random.uniform(0.08, 0.2);
  set_colour(c, colour_of(hue, 0.3, random.uniform(0.3, 0.95)), random.uniform(0.15, 0.35));
  cairo_set_line_width(c, std::max(1.0, step * 0.05));
  for (double x = -reach; x < reach; x += step) {
    cairo_move_to(c, x, -reach), cairo_line_to(c, x, reach);
    cairo_move_to(c, -reach, x), cairo_line_to(c, reach, x);
  }
  cairo_stroke(c);
}

}  // namespace

void draw_background(const Canvas& canvas, Random& random, double hue) {
  fill_gradient(canvas, random, hue);
  if (random.uniform() < 0.7) draw_clouds(canvas, random, hue);
  using Texture = void (*)(const Canvas&, Random&, double);
  constexpr std::array<Texture, 4> kTextures{draw_stripes, draw_dots, draw_waves, draw_grid};
  if (random.uniform() < 0.25) return;
  cairo_save(canvas.context());
  kTextures[random.below(kTextures.size())](canvas, random, hue);
  cairo_restore(canvas.context());
}

void add_grain(Image& image, Random& random) {
  const int strength = static_cast<int>(random.below(9));  // the noise is at most this, triangular
  const double edge = random.uniform(0.0, 0.3), cx = image.width / 2.0, cy = image.height / 2.0;
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* p = image.row(y);
    for (int x = 0; x < image.width; ++x) {
      const double dx = (x - cx) / cx, dy = (y - cy) / cy, light = 1 - edge * (dx * dx + dy * dy) / 2;
      const std::uint32_t bits = random.next_u32();
      const int noise = static_cast<int>((bits & 0xFF) + (bits >> 8 & 0xFF)) - 255;
      for (int c = 0; c < 3; ++c, ++p)
        *p = static_cast<std::uint8_t>(std::clamp(static_cast<int>(*p * light) + noise * strength / 255, 0, 255));
    }
  }
}

}  // namespace boxcar
