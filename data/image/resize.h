// Bilinear resize of 8-bit images, bit for bit as the reference's OpenCV does it.
#pragma once

#include "boxcar/data/image/image.h"

namespace boxcar {

struct ResizedSize {
  int height = 0, width = 0;
  bool operator==(const ResizedSize&) const = default;
};

/// The size an image of h0 x w0 pixels gets when it is loaded for the side length
/// imgsz: the longer side becomes imgsz, the other ceil(side * imgsz / longer), in
/// double precision and never above imgsz. Throws ArgumentError unless all are >= 1.
ResizedSize resize_on_load_size(int h0, int w0, int imgsz);

/// `image` resampled to height x width, any number of channels. Half-pixel centres, no
/// antialiasing when shrinking, integer weights of 11 bits; a copy when the size is
/// already right. Throws ArgumentError on an empty image or a side below 1.
Image resize_bilinear(const Image& image, int height, int width);

}  // namespace boxcar
