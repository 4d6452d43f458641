// All ops on values.
#pragma once

#include "boxcar/nn/autograd/ops/arithmetic.h"  // IWYU pragma: export
#include "boxcar/nn/autograd/ops/custom.h"      // IWYU pragma: export
#include "boxcar/nn/autograd/ops/iou.h"         // IWYU pragma: export
#include "boxcar/nn/autograd/ops/reductions.h"  // IWYU pragma: export
#include "boxcar/nn/autograd/ops/shapes.h"      // IWYU pragma: export
#include "boxcar/nn/autograd/ops/structure.h"   // IWYU pragma: export
