// Pasting objects along their outlines: from the mirrored picture or from another one.
//
// Ghiasi et al.: "Simple Copy-Paste is a Strong Data Augmentation Method for Instance Segmentation" (2021).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "boxcar/data/augment/objects.h"
#include "boxcar/kernels/render/render_plan.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {

/// An image made of a picture's canvas and of pixels from another picture inside the outlines.
struct Paste {
  int width = 0, height = 0;
  kernels::Picture onto = {};
  bool mirror = false;         // the pixels come from `onto`, mirrored left-right
  kernels::Picture from = {};  // else from here
  std::vector<Polygon> outlines = {};
};

/// Of the donors that cover less than 30% of each object's box: the first round(share * their number), ties to even,
/// those that cover least first. None without outlines.
PixelObjects choose_pasted(const PixelObjects& donors, const PixelObjects& objects, double share);

/// Makes the image (blue-green-red); `images` are those that the tiles of both pictures number.
Image render_paste(Stream& stream, const Paste& paste, std::span<const kernels::SourceImage> images);

}  // namespace boxcar
