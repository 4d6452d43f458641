#include "boxcar/kernels/attention/attention.h"

#include <cmath>

#include "boxcar/kernels/attention/softmax.h"
#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/gemm.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

// The matrices of one image and head: rows are pixels, ld is the tensor's pixel stride.
struct Head {
  const float *q, *k, *v;
  std::int64_t ld;
};

Head head_of(const TensorView& qkv, const AttentionShape& shape, int image, int head) {
  const std::int64_t pixels = std::int64_t{qkv.h} * qkv.w;
  const float* q = qkv.as() + image * pixels * qkv.ld + shape.head_offset(head);
  return {q, q + shape.key_dim, q + 2 * shape.key_dim, qkv.ld};
}

float* channels_of(const TensorView& t, int image, int first) {
  return t.as() + std::int64_t{image} * t.h * t.w * t.ld + first;
}

void softmax_rows(Stream& stream, float* scores, std::int64_t rows, std::int64_t width) {
  parallel_for(stream.threads(), rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) softmax_row(scores + r * width, width);
  });
}

// dS = P * (dP - sum_j P dP), in place of dP.
void softmax_rows_backward(Stream& stream, const float* softmax, float* grad, std::int64_t rows, std::int64_t width) {
  parallel_for(stream.threads(), rows, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) softmax_row_backward(softmax + r * width, grad + r * width, width);
  });
}

}  // namespace

void attention_forward(Stream& stream, const AttentionForwardArgs& args) {
  const int pixels = args.qkv.h * args.qkv.w, kd = args.shape.key_dim, hd = args.shape.head_dim;
  const std::int64_t matrix = std::int64_t{pixels} * pixels;
  const float scale = 1.0f / std::sqrt(static_cast<float>(kd));
  for (int h = 0; h < args.shape.heads; ++h) {
    kernels::copy(stream, {args.qkv.channels(args.shape.head_offset(h) + 2 * kd, hd), args.v.channels(h * hd, hd)});
    for (int n = 0; n < args.qkv.n; ++n) {
      const Head head = head_of(args.qkv, args.shape, n, h);
      float* p = args.softmax + (std::int64_t{n} * args.shape.heads + h) * matrix;
      gemm(stream, {false, true, pixels, pixels, kd, scale, head.q, head.ld, head.k, head.ld, 0, p, pixels});
      softmax_rows(stream, p, pixels, pixels);
      gemm(stream, {false, false, pixels, hd, pixels, 1, p, pixels, head.v, head.ld, 0, channels_of(args.o, n, h * hd),
                    args.o.ld});
    }
  }
}

void attention_backward(Stream& stream, const AttentionBackwardArgs& args) {
  const int pixels = args.qkv.h * args.qkv.w, kd = args.shape.key_dim, hd = args.shape.head_dim;
  const std::int64_t matrix = std::int64_t{pixels} * pixels;
  const float scale = 1.0f / std::sqrt(static_cast<float>(kd));
  const Tensor scores = Tensor::empty(stream, {1, 1, pixels, pixels});
  float* ds = scores.as();
  for (int h = 0; h < args.shape.heads; ++h) {
    const int first = args.shape.head_offset(h);
    kernels::copy(stream, {args.dv.channels(h * hd, hd), args.dqkv.channels(first + 2 * kd, hd)});
    for (int n = 0; n < args.qkv.n; ++n) {
      const Head head = head_of(args.qkv, args.shape, n, h);
      const float* p = args.softmax + (std::int64_t{n} * args.shape.heads + h) * matrix;
      const float* d_o = channels_of(args.d_o, n, h * hd);
      float* dq = channels_of(args.dqkv, n, first);
      const std::int64_t ld = args.dqkv.ld, ldo = args.d_o.ld;
      gemm(stream, {true, false, pixels, hd, pixels, 1, p, pixels, d_o, ldo, 1, dq + 2 * kd, ld});
      gemm(stream, {false, true, pixels, pixels, hd, 1, d_o, ldo, head.v, head.ld, 0, ds, pixels});
      softmax_rows_backward(stream, p, ds, pixels, pixels);
      gemm(stream, {false, false, pixels, kd, pixels, scale, ds, pixels, head.k, head.ld, 0, dq, ld});
      gemm(stream, {true, false, pixels, kd, pixels, scale, ds, pixels, head.q, head.ld, 0, dq + kd, ld});
    }
  }
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void attention_forward(Stream& stream, const AttentionForwardArgs& args);
void attention_backward(Stream& stream, const AttentionBackwardArgs& args);
}  // namespace cuda
#endif

namespace {

void check_attention(const char* op, const TensorView& qkv, const TensorView& o, const AttentionShape& shape) {
  if (qkv.dtype != DType::kF32) fail<ShapeError>("{} works on f32, not {}", op, name_of(qkv.dtype));
  if (qkv.c != shape.qkv_channels() || o.c != shape.channels() || o.n != qkv.n || o.h != qkv.h || o.w != qkv.w) {
    fail<ShapeError>("{}: {} and {} do not fit {} heads of {} + {} + {} channels", op, qkv.shape().str(),
                     o.shape().str(), shape.heads, shape.key_dim, shape.key_dim, shape.head_dim);
  }
}

}  // namespace

void attention_forward(Stream& stream, const AttentionForwardArgs& args) {
  check_attention("attention_forward", args.qkv, args.o, args.shape);
  check_same_shape("attention_forward", args.o, args.v);
  BOXCAR_DISPATCH(stream, attention_forward, args);
}

void attention_backward(Stream& stream, const AttentionBackwardArgs& args) {
  check_attention("attention_backward", args.qkv, args.d_o, args.shape);
  check_same_shape("attention_backward", args.d_o, args.dv);
  check_same_shape("attention_backward", args.qkv, args.dqkv);
  BOXCAR_DISPATCH(stream, attention_backward, args);
}

}  // namespace boxcar::kernels
