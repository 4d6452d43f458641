#include "boxcar/data/convert/cairo_canvas.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

Colour Colour::lighter(double amount) const {
  const double target = amount > 0 ? 1 : 0, share = std::abs(amount);
  return {r + (target - r) * share, g + (target - g) * share, b + (target - b) * share};
}

Colour colour_of(double hue, double saturation, double lightness) {
  const double a = saturation * std::min(lightness, 1 - lightness);
  const auto channel = [&](double n) {
    const double k = std::fmod(n + 12 * (hue - std::floor(hue)), 12);
    return lightness - a * std::clamp(std::min(k - 3, 9 - k), -1.0, 1.0);
  };
  return {channel(0), channel(8), channel(4)};
}

Canvas::Canvas(int height, int width, bool mask)
    : height_(height),
      width_(width),
      surface_(cairo_image_surface_create(mask ? CAIRO_FORMAT_A8 : CAIRO_FORMAT_RGB24, width, height)),
      context_(cairo_create(surface_.get())) {
  if (cairo_status(context_.get()) != CAIRO_STATUS_SUCCESS)
    fail<OutOfMemory>("cannot make a canvas of {}x{} pixels: {}", width, height,
                      cairo_status_to_string(cairo_status(context_.get())));
}

const unsigned char* Canvas::row(int y) const {
  cairo_surface_flush(surface_.get());
  return cairo_image_surface_get_data(surface_.get()) +
         static_cast<std::ptrdiff_t>(y) * cairo_image_surface_get_stride(surface_.get());
}

Image Canvas::to_image() const {
  Image image{height_, width_, 3, {}};
  image.pixels.reserve(static_cast<std::size_t>(height_) * static_cast<std::size_t>(width_) * 3);
  for (int y = 0; y < height_; ++y) {
    const unsigned char* from = row(y);
    for (int x = 0; x < width_; ++x, from += 4) image.pixels.insert(image.pixels.end(), from, from + 3);
  }
  return image;
}

}  // namespace boxcar
