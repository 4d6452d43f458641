// Nearest-neighbour enlargement by a whole factor: y[i,j] = x[i/f, j/f].
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/norm_act/norm_act.h"

namespace boxcar::kernels {

struct UpsampleForwardArgs {
  TensorView x;     // [N,H,W,C], pixel stride >= C
  Destinations to;  // [N,f*H,f*W,of.count], any pixel stride
  int factor = 2;
};
void upsample_forward(Stream& stream, const UpsampleForwardArgs& args);
OpCost cost_of(const UpsampleForwardArgs& args);

/// dx = the sum of dy over each factor x factor square; dy is the sum of the pieces.
struct UpsampleBackwardArgs {
  GradPieces from;
  TensorView dx;  // [N,H,W,C] packed, written
  int factor = 2;
};
void upsample_backward(Stream& stream, const UpsampleBackwardArgs& args);
OpCost cost_of(const UpsampleBackwardArgs& args);

}  // namespace boxcar::kernels
