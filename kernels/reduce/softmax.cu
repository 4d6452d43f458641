#include "boxcar/kernels/reduce/softmax.h"

#include <algorithm>
#include <bit>

#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/common/rows.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

// Lanes of a warp that share a pixel: a power of two.
int lanes_for(int channels) { return static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::min(channels, 32)))); }

BOXCAR_DEVICE std::int64_t pixel_of(int lanes) { return (std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / lanes; }

// The same in all lanes of a pixel; every lane of the warp must call it.
BOXCAR_DEVICE float sum_over(int lanes, float value) {
  for (int step = lanes / 2; step > 0; step /= 2) value += __shfl_xor_sync(0xffffffffu, value, step);
  return value;
}
BOXCAR_DEVICE float largest_over(int lanes, float value) {
  for (int step = lanes / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, step));
  return value;
}

// `lanes` threads of a warp own a pixel, each every lanes-th channel. A NaN is lost in the maximum, not in the sum.
__global__ void __launch_bounds__(kThreads)
    softmax_kernel(SoftmaxKind kind, Rows<const float> x, Rows<float> y, std::int64_t pixels, int channels, int lanes) {
  const std::int64_t pixel = pixel_of(lanes);
  const int end = pixel < pixels ? channels : 0, lane = static_cast<int>(threadIdx.x) % lanes;
  float most = -HUGE_VALF, sum = 0;
  for (int c = lane; c < end; c += lanes) most = fmaxf(most, x(pixel, c));
  most = largest_over(lanes, most);
  for (int c = lane; c < end; c += lanes) sum += expf(x(pixel, c) - most);
  sum = sum_over(lanes, sum);
  const float log_sum = logf(sum);
  for (int c = lane; c < end; c += lanes) {
    const float v = x(pixel, c) - most;
    y(pixel, c) = kind == SoftmaxKind::kSoftmax ? expf(v) / sum : v - log_sum;
  }
}

// As above.
__global__ void __launch_bounds__(kThreads)
    softmax_backward_kernel(SoftmaxKind kind, Rows<const float> y, Rows<const float> dy, Rows<float> dx,
                            std::int64_t pixels, int channels, int lanes) {
  const std::int64_t pixel = pixel_of(lanes);
  const int end = pixel < pixels ? channels : 0, lane = static_cast<int>(threadIdx.x) % lanes;
  const bool plain = kind == SoftmaxKind::kSoftmax;
  float sum = 0;
  for (int c = lane; c < end; c += lanes) sum += plain ? dy(pixel, c) * y(pixel, c) : dy(pixel, c);
  sum = sum_over(lanes, sum);
  for (int c = lane; c < end; c += lanes) {
    const float p = y(pixel, c), g = dy(pixel, c);
    dx(pixel, c) = plain ? p * (g - sum) : g - expf(p) * sum;
  }
}

}  // namespace

void softmax(Stream& stream, const SoftmaxArgs& args) {
  if (args.x.count() == 0) return;
  const int lanes = lanes_for(args.x.c);
  launch("softmax", softmax_kernel, grid_for(args.x.pixels() * lanes, kThreads), stream, args.kind,
         rows_of<const float>(args.x), rows_of<float>(args.y), args.x.pixels(), args.x.c, lanes);
}

void softmax_backward(Stream& stream, const SoftmaxBackwardArgs& args) {
  if (args.y.count() == 0) return;
  const int lanes = lanes_for(args.y.c);
  launch("softmax_backward", softmax_backward_kernel, grid_for(args.y.pixels() * lanes, kThreads), stream, args.kind,
         rows_of<const float>(args.y), rows_of<const float>(args.dy), rows_of<float>(args.dx), args.y.pixels(),
         args.y.c, lanes);
}

}  // namespace boxcar::kernels::cuda
