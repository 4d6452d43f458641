// Self-attention over the pixels of an image (Vaswani et al., 2017), as C2PSA uses it.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Channels of a qkv tensor, head by head: key_dim of q, key_dim of k, head_dim of v.
struct AttentionShape {
  int heads = 1, key_dim = 1, head_dim = 1;

  int qkv_channels() const { return heads * (2 * key_dim + head_dim); }
  int channels() const { return heads * head_dim; }
  /// First channel of a head's q.
  int head_offset(int head) const { return head * (2 * key_dim + head_dim); }
};

/// S = key_dim^-0.5 q^T k, P = softmax of S over the keys, o = P v, per image and head.
struct AttentionForwardArgs {
  TensorView qkv;            // [N,H,W,qkv_channels] packed, f32
  TensorView o;              // [N,H,W,heads*head_dim] packed, written
  TensorView v;              // as o, written: the v parts side by side, for the positional encoding
  float* softmax = nullptr;  // P, [N,heads,H*W,H*W], written; the backward pass reads it
  AttentionShape shape;
};
void attention_forward(Stream& stream, const AttentionForwardArgs& args);
inline std::int64_t softmax_bytes(const TensorView& qkv, const AttentionShape& shape) {
  const std::int64_t pixels = std::int64_t{qkv.h} * qkv.w;
  return qkv.n * shape.heads * pixels * pixels * std::int64_t{sizeof(float)};
}
/// Arithmetic is counted by the products, which are ops of their own in a profile.
inline OpCost cost_of(const AttentionForwardArgs& args) {
  return {bytes_of(args.qkv) + bytes_of(args.o) + bytes_of(args.v) + softmax_bytes(args.qkv, args.shape), 0, 4};
}

struct AttentionBackwardArgs {
  TensorView qkv;
  const float* softmax = nullptr;
  TensorView d_o;   // [N,H,W,heads*head_dim] packed
  TensorView dv;    // as d_o: what reached the copy of v; added to v's gradient
  TensorView dqkv;  // as qkv, written
  AttentionShape shape;
};
void attention_backward(Stream& stream, const AttentionBackwardArgs& args);
inline OpCost cost_of(const AttentionBackwardArgs& args) {
  return {2 * bytes_of(args.qkv) + bytes_of(args.d_o) + bytes_of(args.dv) + softmax_bytes(args.qkv, args.shape), 0, 6};
}

}  // namespace boxcar::kernels
