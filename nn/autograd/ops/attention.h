// Self-attention over pixels.
#pragma once

#include "boxcar/kernels/attention/attention.h"
#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

struct AttentionOutput {
  Value o;  // [N,H,W,heads*head_dim]
  Value v;  // the values, head by head, as o
};

/// kernels::attention_forward with its gradient; qkv [N,H,W,shape.qkv_channels()].
AttentionOutput attention(Context& context, const Value& qkv, kernels::AttentionShape shape);

}  // namespace boxcar::nn
