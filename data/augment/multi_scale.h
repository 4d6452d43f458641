// Training at changing sizes.
#pragma once

#include "boxcar/data/image/resize.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

/// The generator of the sizes: equal keys give equal sizes.
Random multi_scale_random(std::uint64_t seed, int epoch, int batch);

/// A longer side for a batch: uniform over max(stride, int(imgsz * (1 - fraction))) up to and without
/// int(imgsz * (1 + fraction) + stride), brought down to a multiple of stride. 0 < fraction < 1.
int draw_multi_scale_size(int imgsz, double fraction, int stride, Random& random);

/// The largest size that may be drawn; imgsz for a fraction of 0.
int most_multi_scale_size(int imgsz, double fraction, int stride);

/// The shape that makes the longer side of `shape` about `size`: both sides times size / longer,
/// rounded up to multiples of stride; `shape` itself if the longer side is already `size`.
ResizedSize multi_scale_shape(ResizedSize shape, int size, int stride);

}  // namespace boxcar
