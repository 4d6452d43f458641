// Cairo surfaces as C++ objects. Only for .cpp files.
#pragma once

#include <cairo.h>

#include <memory>

#include "boxcar/data/image/image.h"

namespace boxcar {

struct CairoFree {
  void operator()(cairo_t* p) const { cairo_destroy(p); }
  void operator()(cairo_surface_t* p) const { cairo_surface_destroy(p); }
  void operator()(cairo_pattern_t* p) const { cairo_pattern_destroy(p); }
};
template <class T>
using CairoPtr = std::unique_ptr<T, CairoFree>;

struct Colour {
  double r = 0, g = 0, b = 0;  // 0 to 1
  /// Towards white (amount 1) or black (-1).
  Colour lighter(double amount) const;
};

/// Hue as a share of the circle, saturation and lightness from 0 to 1.
Colour colour_of(double hue, double saturation, double lightness);

/// An image surface of 32 bits (colour) or 8 bits (mask) with a context that draws on it.
class Canvas {
 public:
  /// Throws OutOfMemory.
  Canvas(int height, int width, bool mask = false);
  cairo_t* context() const { return context_.get(); }
  int height() const { return height_; }
  int width() const { return width_; }
  /// Bytes of a row after drawing: four a pixel (B, G, R, unused), or one for a mask.
  const unsigned char* row(int y) const;
  Image to_image() const;

 private:
  int height_, width_;
  CairoPtr<cairo_surface_t> surface_;
  CairoPtr<cairo_t> context_;
};

}  // namespace boxcar
