// What a loader hands to a trainer or validator.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <vector>

#include "boxcar/data/image/resize.h"
#include "boxcar/data/loader/planned_pictures.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar {

/// Where a picture of a batch comes from, and how to get back to the original's pixels:
/// x_original = (x - pad_x) / gain_w, y_original = (y - pad_y) / gain_h (validation only; in training
/// the gains are those of the resize on load, of the first image of a mosaic, and there is no padding).
struct ImageInfo {
  std::filesystem::path path;
  std::size_t index = 0;  // in the data set
  ResizedSize original;   // upright
  ResizedSize resized;    // after the resize on load
  double gain_h = 1, gain_w = 1;
  int pad_x = 0, pad_y = 0;
};

struct HostBatch {
  int epoch = 0, number = 0;                // the number-th batch of the epoch, from 0
  Shape shape;                              // of the pictures, [N,H,W,3]
  Tensor images;                            // u8 in host memory, red-green-blue; none with DataLoaderOptions::plans
  PlannedPictures planned;                  // the same pictures, with DataLoaderOptions::plans
  std::vector<std::array<float, 6>> boxes;  // image in the batch, class, centre x, y, width, height (0..1)
  std::vector<ImageInfo> infos;             // N
};

/// The same batch with its pictures in `images`, rendered here if they are only planned.
HostBatch with_pictures(Stream& stream, HostBatch batch);

}  // namespace boxcar
