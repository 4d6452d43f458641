// A batch of training or validation images on the device.
#pragma once

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar {

struct Batch {
  Tensor images;   // [N,H,W,3], f32 red-green-blue, 0..1
  Tensor targets;  // [1,1,M,6] f32: image number in the batch, class, centre x, centre y, width, height (0..1)
};

}  // namespace boxcar
