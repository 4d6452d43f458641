#include "boxcar/kernels/attention/attention.h"

#include <cmath>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/divisor.h"
#include "boxcar/kernels/common/gemm_batched.h"
#include "boxcar/kernels/common/launch.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256, kRowsPerBlock = kThreads / 32;

template <class F>
BOXCAR_DEVICE float merge_lanes(float value, F&& merge) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value = merge(value, __shfl_xor_sync(0xffffffffu, value, distance));
  }
  return value;
}

BOXCAR_DEVICE std::int64_t row_of_warp() { return std::int64_t{blockIdx.x} * kRowsPerBlock + threadIdx.x / 32; }

Grid row_grid(std::int64_t rows) { return {grid_for(rows, kRowsPerBlock).blocks, dim3(kThreads)}; }

// A warp owns a row of scores, which becomes its softmax; a lane sums every 32nd, a butterfly the lanes.
__global__ void __launch_bounds__(kThreads) softmax_rows_kernel(float* scores, std::int64_t rows, int width) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (row_of_warp() >= rows) return;
  float* const row = scores + row_of_warp() * width;
  float largest = -INFINITY;
  for (int i = lane; i < width; i += 32) largest = fmaxf(largest, row[i]);
  largest = merge_lanes(largest, [](float a, float b) { return fmaxf(a, b); });
  float sum = 0;
  for (int i = lane; i < width; i += 32) {
    row[i] = expf(row[i] - largest);
    sum += row[i];
  }
  const float scale = 1.0f / merge_lanes(sum, [](float a, float b) { return a + b; });
  for (int i = lane; i < width; i += 32) row[i] *= scale;
}

// The same for dS = P * (dP - sum_j P dP), in place of dP.
__global__ void __launch_bounds__(kThreads)
    softmax_rows_backward_kernel(const float* softmax, float* grad, std::int64_t rows, int width) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (row_of_warp() >= rows) return;
  const float* const p = softmax + row_of_warp() * width;
  float* const dp = grad + row_of_warp() * width;
  float dot = 0;
  for (int i = lane; i < width; i += 32) dot += p[i] * dp[i];
  dot = merge_lanes(dot, [](float a, float b) { return a + b; });
  for (int i = lane; i < width; i += 32) dp[i] = p[i] * (dp[i] - dot);
}

// The v parts of the heads: `values` lie side by side, `parts` begins with the first head's v.
struct HeadValues {
  float* parts;
  std::int64_t parts_ld, head_stride;
  float* values;
  std::int64_t values_ld;
  int channels;
  Divisor by_channels, by_head_dim;
};

// A thread owns one channel of a pixel.
template <bool kToParts>
__global__ void __launch_bounds__(kThreads) copy_head_values_kernel(HeadValues v, int count) {
  int pixel = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (pixel >= count) return;
  int channel = pixel;
  pixel = v.by_channels.split(channel);
  float* const value = v.values + pixel * v.values_ld + channel;
  const int head = v.by_head_dim.split(channel);
  float* const part = v.parts + pixel * v.parts_ld + head * v.head_stride + channel;
  if constexpr (kToParts) {
    *part = *value;
  } else {
    *value = *part;
  }
}

template <bool kToParts>
void copy_head_values(Stream& stream, const TensorView& qkv, const TensorView& values, const AttentionShape& shape) {
  if (values.count() > 0x7fffffff) fail<ShapeError>("attention: {} is too large", values.shape().str());
  const HeadValues v{qkv.as() + 2 * shape.key_dim,
                     qkv.ld,
                     shape.head_offset(1),
                     values.as(),
                     values.ld,
                     shape.channels(),
                     Divisor(shape.channels()),
                     Divisor(shape.head_dim)};
  launch("copy_head_values", copy_head_values_kernel<kToParts>, grid_for(values.count(), kThreads), stream, v,
         static_cast<int>(values.count()));
}

// One matrix for each image and head: rows are pixels.
struct HeadMatrices {
  float* data;
  std::int64_t ld;
  BatchStrides strides;
};

HeadMatrices channels_of(const TensorView& t, int first, int head_stride) {
  return {t.as() + first, t.ld, {std::int64_t{t.h} * t.w * t.ld, head_stride}};
}

HeadMatrices square(float* data, int pixels, int heads) {
  const std::int64_t one = std::int64_t{pixels} * pixels;
  return {data, pixels, {one * heads, one}};
}

// c = alpha a b + beta c for all images and heads.
class HeadProducts {
 public:
  HeadProducts(Stream& stream, int images, int heads) : stream_(stream), images_(images), heads_(heads) {}

  struct Size {
    int m, n, k;
  };
  void multiply(bool transpose_a, bool transpose_b, Size size, float alpha, const HeadMatrices& a,
                const HeadMatrices& b, float beta, const HeadMatrices& c) const {
    const GemmArgs first{transpose_a, transpose_b, size.m, size.n, size.k, alpha, a.data,
                         a.ld,        b.data,      b.ld,   beta,   c.data, c.ld};
    const BatchedGemmArgs args{first, images_, heads_, a.strides, b.strides, c.strides};
    timed(
        stream_, "gemm", [&] { gemm_batched(stream_, args); }, args);
  }

 private:
  Stream& stream_;
  int images_, heads_;
};

}  // namespace

void attention_forward(Stream& stream, const AttentionForwardArgs& args) {
  const AttentionShape& shape = args.shape;
  const int pixels = args.qkv.h * args.qkv.w, kd = shape.key_dim, hd = shape.head_dim, stride = shape.head_offset(1);
  const std::int64_t rows = std::int64_t{args.qkv.n} * shape.heads * pixels;
  const HeadMatrices q = channels_of(args.qkv, 0, stride), k = channels_of(args.qkv, kd, stride),
                     v = channels_of(args.qkv, 2 * kd, stride), o = channels_of(args.o, 0, hd),
                     p = square(args.softmax, pixels, shape.heads);
  const HeadProducts heads(stream, args.qkv.n, shape.heads);
  copy_head_values<false>(stream, args.qkv, args.v, shape);
  heads.multiply(false, true, {pixels, pixels, kd}, 1.0f / std::sqrt(static_cast<float>(kd)), q, k, 0, p);
  launch("softmax_rows", softmax_rows_kernel, row_grid(rows), stream, args.softmax, rows, pixels);
  heads.multiply(false, false, {pixels, hd, pixels}, 1, p, v, 0, o);
}

void attention_backward(Stream& stream, const AttentionBackwardArgs& args) {
  const AttentionShape& shape = args.shape;
  const int pixels = args.qkv.h * args.qkv.w, kd = shape.key_dim, hd = shape.head_dim, stride = shape.head_offset(1);
  const std::int64_t rows = std::int64_t{args.qkv.n} * shape.heads * pixels;
  const float scale = 1.0f / std::sqrt(static_cast<float>(kd));
  const Tensor scores = Tensor::empty(stream, {args.qkv.n, shape.heads, pixels, pixels});
  const HeadMatrices q = channels_of(args.qkv, 0, stride), k = channels_of(args.qkv, kd, stride),
                     v = channels_of(args.qkv, 2 * kd, stride), d_o = channels_of(args.d_o, 0, hd),
                     dq = channels_of(args.dqkv, 0, stride), dk = channels_of(args.dqkv, kd, stride),
                     dv = channels_of(args.dqkv, 2 * kd, stride), ds = square(scores.as(), pixels, shape.heads),
                     p = square(const_cast<float*>(args.softmax), pixels, shape.heads);
  const HeadProducts heads(stream, args.qkv.n, shape.heads);
  copy_head_values<true>(stream, args.dqkv, args.dv, shape);
  heads.multiply(true, false, {pixels, hd, pixels}, 1, p, d_o, 1, dv);
  heads.multiply(false, true, {pixels, pixels, hd}, 1, d_o, v, 0, ds);
  launch("softmax_rows_backward", softmax_rows_backward_kernel, row_grid(rows), stream, args.softmax, scores.as(), rows,
         pixels);
  heads.multiply(false, false, {pixels, kd, pixels}, scale, ds, k, 0, dq);
  heads.multiply(true, false, {pixels, kd, pixels}, scale, ds, q, 0, dk);
}

}  // namespace boxcar::kernels::cuda
