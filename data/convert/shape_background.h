// Backgrounds of the shapes data set.
#pragma once

#include "boxcar/data/convert/cairo_canvas.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

/// Fills the canvas with a gradient near the hue `hue` and a texture on it.
void draw_background(const Canvas& canvas, Random& random, double hue);

/// Film grain and a slightly darker border, on the finished picture.
void add_grain(Image& image, Random& random);

}  // namespace boxcar
