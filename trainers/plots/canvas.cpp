#include "boxcar/trainers/plots/canvas.h"

#include <cairo.h>

#include <algorithm>
#include <string>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/plots/fonts.h"
#include "boxcar/trainers/plots/printable.h"

namespace boxcar {
namespace {

constexpr int kMaxSide = 32767;  // Cairo's limit
constexpr double kQuarterTurn = 1.5707963267948966;

struct SurfaceDeleter {
  void operator()(cairo_surface_t* s) const { cairo_surface_destroy(s); }
};
struct ContextDeleter {
  void operator()(cairo_t* c) const { cairo_destroy(c); }
};
using Surface = std::unique_ptr<cairo_surface_t, SurfaceDeleter>;
using Context = std::unique_ptr<cairo_t, ContextDeleter>;

Surface make_surface(int width, int height) {
  if (width < 1 || height < 1 || width > kMaxSide || height > kMaxSide) {
    fail<ArgumentError>("a picture of {}x{} pixels cannot be drawn on; sides must be 1..{}", width, height, kMaxSide);
  }
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height));
  if (cairo_surface_status(surface.get()) != CAIRO_STATUS_SUCCESS) {
    fail<OutOfMemory>("no memory for a picture of {}x{} pixels", width, height);
  }
  return surface;
}

/// A pixel is 0xXXRRGGBB in machine order: B, G, R, unused in memory.
Surface surface_of(const Image& image) {
  if (image.empty() || (image.channels != 1 && image.channels != 3)) {
    fail<ArgumentError>("an image of {}x{} pixels and {} channels cannot be drawn", image.width, image.height,
                        image.channels);
  }
  Surface surface = make_surface(image.width, image.height);
  unsigned char* data = cairo_image_surface_get_data(surface.get());
  const int stride = cairo_image_surface_get_stride(surface.get());
  for (int y = 0; y < image.height; ++y) {
    const std::uint8_t* from = image.row(y);
    unsigned char* to = data + static_cast<std::ptrdiff_t>(y) * stride;
    for (int x = 0; x < image.width; ++x, from += image.channels, to += 4) {
      for (int c = 0; c < 3; ++c) to[c] = from[image.channels == 3 ? c : 0];
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

}  // namespace

struct Canvas::Impl {
  explicit Impl(Surface s) : surface(std::move(s)), context(cairo_create(surface.get())) {}
  cairo_t* get() const { return context.get(); }
  void color(Color c, double opacity) const {
    cairo_set_source_rgba(get(), c.r / 255.0, c.g / 255.0, c.b / 255.0, opacity);
  }
  void font(const std::string& text, double size, bool bold) const {
    cairo_select_font_face(get(), font_family_for(text).c_str(), CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(get(), size);
  }
  Surface surface;
  Context context;
};

Canvas::Canvas(int width, int height, Color background) : impl_(std::make_unique<Impl>(make_surface(width, height))) {
  fill({0, 0, double(width), double(height)}, background);
}
Canvas::Canvas(const Image& image) : impl_(std::make_unique<Impl>(surface_of(image))) {}
Canvas::Canvas(Canvas&&) noexcept = default;
Canvas::~Canvas() = default;

int Canvas::width() const { return cairo_image_surface_get_width(impl_->surface.get()); }
int Canvas::height() const { return cairo_image_surface_get_height(impl_->surface.get()); }

void Canvas::fill(const Rect& r, Color color, double opacity) {
  impl_->color(color, opacity);
  cairo_rectangle(impl_->get(), r.x, r.y, r.width, r.height);
  cairo_fill(impl_->get());
}

void Canvas::outline(const Rect& r, double line_width, Color color, double opacity) {
  impl_->color(color, opacity);
  cairo_set_line_width(impl_->get(), line_width);
  cairo_rectangle(impl_->get(), r.x, r.y, r.width, r.height);
  cairo_stroke(impl_->get());
}

void Canvas::line(double x1, double y1, double x2, double y2, double line_width, Color color) {
  impl_->color(color, 1);
  cairo_set_line_width(impl_->get(), line_width);
  cairo_move_to(impl_->get(), x1, y1);
  cairo_line_to(impl_->get(), x2, y2);
  cairo_stroke(impl_->get());
}

void Canvas::text(double x, double y, std::string_view text, double size, Color color, bool bold) {
  const std::string shown = drawable_text(printable(text));
  impl_->font(shown, size, bold);
  impl_->color(color, 1);
  cairo_move_to(impl_->get(), x, y);
  cairo_show_text(impl_->get(), shown.c_str());
}

void Canvas::text_upwards(double x, double y, std::string_view text, double size, Color color, bool bold) {
  cairo_save(impl_->get());
  cairo_translate(impl_->get(), x, y);
  cairo_rotate(impl_->get(), -kQuarterTurn);
  this->text(0, 0, text, size, color, bold);
  cairo_restore(impl_->get());
}

TextSize Canvas::text_size(std::string_view text, double size, bool bold) {
  const std::string shown = drawable_text(printable(text));
  impl_->font(shown, size, bold);
  cairo_text_extents_t text_extents;
  cairo_font_extents_t font_extents;
  cairo_text_extents(impl_->get(), shown.c_str(), &text_extents);
  cairo_font_extents(impl_->get(), &font_extents);
  return {text_extents.x_advance, font_extents.ascent, font_extents.descent};
}

void Canvas::picture(const Image& image, const Rect& to) {
  const Surface surface = surface_of(image);
  cairo_save(impl_->get());
  cairo_rectangle(impl_->get(), to.x, to.y, to.width, to.height);
  cairo_clip(impl_->get());
  cairo_translate(impl_->get(), to.x, to.y);
  cairo_scale(impl_->get(), to.width / image.width, to.height / image.height);
  cairo_set_source_surface(impl_->get(), surface.get(), 0, 0);
  cairo_pattern_t* pattern = cairo_get_source(impl_->get());
  cairo_pattern_set_filter(pattern, CAIRO_FILTER_GOOD);
  cairo_pattern_set_extend(pattern, CAIRO_EXTEND_PAD);  // no dark seam where pictures meet
  cairo_paint(impl_->get());
  cairo_restore(impl_->get());
}

void Canvas::clip(const Rect& r) {
  cairo_rectangle(impl_->get(), r.x, r.y, r.width, r.height);
  cairo_clip(impl_->get());
}
void Canvas::unclip() { cairo_reset_clip(impl_->get()); }

Image Canvas::image() const {
  if (const cairo_status_t status = cairo_status(impl_->get()); status != CAIRO_STATUS_SUCCESS) {
    fail("drawing failed: {}", cairo_status_to_string(status));
  }
  cairo_surface_flush(impl_->surface.get());
  Image out{height(), width(), 3, {}};
  out.pixels.resize(static_cast<std::size_t>(out.height) * out.width * 3);
  const unsigned char* data = cairo_image_surface_get_data(impl_->surface.get());
  const int stride = cairo_image_surface_get_stride(impl_->surface.get());
  for (int y = 0; y < out.height; ++y) {
    const unsigned char* from = data + static_cast<std::ptrdiff_t>(y) * stride;
    std::uint8_t* to = out.row(y);
    for (int x = 0; x < out.width; ++x, from += 4, to += 3) std::copy_n(from, 3, to);
  }
  return out;
}

}  // namespace boxcar
