#include "boxcar/kernels/conv/depthwise.h"

#include "boxcar/kernels/common/channel_sums.h"
#include "boxcar/kernels/common/device_vector.h"
#include "boxcar/kernels/common/row_tiles.h"
#include "boxcar/kernels/norm_act/batch_statistics_device.h"

namespace boxcar::kernels::cuda {
namespace {

// Input and output pictures of one filter a channel.
struct Sizes {
  int in_h, in_w, out_h, out_w, channels;
  ConvOptions options;
};

Sizes sizes_of(const TensorView& x, const TensorView& y, const ConvOptions& options) {
  return {x.h, x.w, y.h, y.w, x.c, options};
}

struct Pixel {
  std::int64_t image;
  int y, x;
};
BOXCAR_DEVICE Pixel pixel_of(std::int64_t row, int height, int width) {
  const std::int64_t image_row = row / width;
  return {image_row / height, static_cast<int>(image_row % height), static_cast<int>(row % width)};
}
BOXCAR_DEVICE std::int64_t row_of(std::int64_t image, int y, int x, int height, int width) {
  return (image * height + y) * width + x;
}
BOXCAR_DEVICE bool inside(int at, int size) { return at >= 0 && at < size; }

template <int kWidth>
BOXCAR_DEVICE void load_bias(const float* bias, int channel, float (&sum)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] = bias ? bias[channel + i] : 0.0f;
}

template <int kWidth>
BOXCAR_DEVICE void multiply_add(const float (&a)[kWidth], const float (&b)[kWidth], float (&sum)[kWidth]) {
#pragma unroll
  for (int i = 0; i < kWidth; ++i) sum[i] += a[i] * b[i];
}

constexpr unsigned kRowsPerThread = 2;
constexpr int kStrip = 4;

// A thread's results as they are stored, and what it makes of them: with statistics it takes rows of a chunk, without
// those of a tile.
template <class T, int kWidth, bool kStatistics>
class DepthwiseResult {
 public:
  BOXCAR_DEVICE DepthwiseResult(Rows<T> y, int channel) : y_(y), channel_(channel) {}

  template <unsigned kTileRows, class F>
  BOXCAR_DEVICE static void for_rows(std::int64_t rows, F&& f) {
    if constexpr (kStatistics) {
      for_chunk_rows<1>(rows, f);
    } else {
      for_tile_rows<kTileRows, 1>(rows, f);
    }
  }

  BOXCAR_DEVICE void store(std::int64_t row, const float (&values)[kWidth]) {
    store_vector(y_.row(row) + channel_, values);
    if constexpr (kStatistics) {
      float stored[kWidth];
#pragma unroll
      for (int i = 0; i < kWidth; ++i) stored[i] = static_cast<float>(static_cast<T>(values[i]));
      running_.add(stored);
    }
  }

  /// For all threads of the kernel.
  BOXCAR_DEVICE void finish(const StatisticsOfChunks& statistics) const {
    if constexpr (kStatistics) {
      Moments moments[kWidth];
      running_.store(moments);
      finish_channel_sums(moments, statistics.chunks,
                          [&](int channel, const Moments& all) { statistics.finish(channel, all); });
    }
  }

 private:
  struct Nothing {};
  Rows<T> y_;
  int channel_;
  std::conditional_t<kStatistics, RunningMoments<kWidth>, Nothing> running_;
};

// One strip of outputs of depthwise_3x3_kernel.
template <class T, int kWidth>
BOXCAR_DEVICE void filter_strip(Rows<const T> x, Rows<const T> w, const Sizes& sizes, int padding, bool turned,
                                const Pixel& first, int c, float (&sum)[kStrip][kWidth]) {
  const int ox = first.x * kStrip;
#pragma unroll 1  // more would not fit the registers
  for (int ky = 0; ky < 3; ++ky) {
    const int iy = first.y + ky - padding;
    if (!inside(iy, sizes.in_h)) continue;
    float weights[3][kWidth];
#pragma unroll
    for (int kx = 0; kx < 3; ++kx) load_vector(w.row(turned ? 8 - (3 * ky + kx) : 3 * ky + kx) + c, weights[kx]);
#pragma unroll
    for (int column = 0; column < kStrip + 2; ++column) {
      const int ix = ox + column - padding;
      if (!inside(ix, sizes.in_w)) continue;
      float v[kWidth];
      load_vector(x.row(row_of(first.image, iy, ix, sizes.in_h, sizes.in_w)) + c, v);
#pragma unroll
      for (int kx = 0; kx < 3; ++kx) {
        if (inside(column - kx, kStrip)) multiply_add(v, weights[kx], sum[column - kx]);
      }
    }
  }
}

// A thread owns kWidth channels of four neighbours of y (with statistics, of several such strips), for 3x3 filters at
// stride 1: a column of inputs is loaded once for the outputs that it meets. Taps are added in row-major order;
// `turned`: of filters turned by 180 degrees. Two blocks at once are enough: for more the compiler would spill.
template <class T, int kWidth, bool kStatistics>
__global__ void __launch_bounds__(kTileThreads, 2)
    depthwise_3x3_kernel(Rows<const T> x, Rows<const T> w, const float* bias, Rows<T> y, Sizes sizes, int padding,
                         bool turned, std::int64_t strips, StatisticsOfChunks statistics) {
  using Result = DepthwiseResult<T, kWidth, kStatistics>;
  const int c = tile_channel<kWidth>();
  Result result(y, c);
  if (c < sizes.channels) {
    Result::template for_rows<1>(strips, [&](std::int64_t strip) {
      const Pixel first = pixel_of(strip, sizes.out_h, (sizes.out_w + kStrip - 1) / kStrip);
      const int ox = first.x * kStrip;
      float sum[kStrip][kWidth];
#pragma unroll
      for (auto& each : sum) load_bias(bias, c, each);
      filter_strip(x, w, sizes, padding, turned, first, c, sum);
      const std::int64_t row = row_of(first.image, first.y, ox, sizes.out_h, sizes.out_w);
#pragma unroll
      for (int i = 0; i < kStrip; ++i) {
        if (ox + i < sizes.out_w) result.store(row + i, sum[i]);
      }
    });
  }
  result.finish(statistics);
}

// A thread owns kWidth channels of up to two pixels of y, or with statistics of every blockDim.y-th one of its chunk;
// any filter. Taps are added in row-major order.
template <class T, int kWidth, bool kStatistics>
__global__ void __launch_bounds__(kTileThreads)
    depthwise_forward_kernel(Rows<const T> x, Rows<const T> w, const float* bias, Rows<T> y, Sizes sizes,
                             std::int64_t rows, StatisticsOfChunks statistics) {
  using Result = DepthwiseResult<T, kWidth, kStatistics>;
  const int c = tile_channel<kWidth>();
  const ConvOptions& o = sizes.options;
  Result result(y, c);
  if (c < sizes.channels) {
    Result::template for_rows<kRowsPerThread>(rows, [&](std::int64_t r) {
      const Pixel out = pixel_of(r, sizes.out_h, sizes.out_w);
      float sum[kWidth];
      load_bias(bias, c, sum);
      for (int tap = 0; tap < o.kernel * o.kernel; ++tap) {
        const int iy = out.y * o.stride - o.padding + tap / o.kernel * o.dilation;
        const int ix = out.x * o.stride - o.padding + tap % o.kernel * o.dilation;
        if (!inside(iy, sizes.in_h) || !inside(ix, sizes.in_w)) continue;
        float v[kWidth], weight[kWidth];
        load_vector(x.row(row_of(out.image, iy, ix, sizes.in_h, sizes.in_w)) + c, v);
        load_vector(w.row(tap) + c, weight);
        multiply_add(v, weight, sum);
      }
      result.store(r, sum);
    });
  }
  result.finish(statistics);
}

// A thread owns kWidth channels of up to two pixels of dx; any filter. It gathers from the outputs that read them, in
// the order of the taps.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    depthwise_backward_input_kernel(Rows<const T> dy, Rows<const T> w, Rows<T> dx, Sizes sizes, std::int64_t rows) {
  const int c = tile_channel<kWidth>();
  if (c >= sizes.channels) return;
  const ConvOptions& o = sizes.options;
  for_tile_rows<kRowsPerThread, 1>(rows, [&](std::int64_t r) {
    const Pixel in = pixel_of(r, sizes.in_h, sizes.in_w);
    float sum[kWidth] = {};
    for (int tap = 0; tap < o.kernel * o.kernel; ++tap) {
      const int scaled_y = in.y + o.padding - tap / o.kernel * o.dilation;
      const int scaled_x = in.x + o.padding - tap % o.kernel * o.dilation;
      if (scaled_y % o.stride != 0 || scaled_x % o.stride != 0) continue;
      const int oy = scaled_y / o.stride, ox = scaled_x / o.stride;
      if (!inside(oy, sizes.out_h) || !inside(ox, sizes.out_w)) continue;
      float g[kWidth], weight[kWidth];
      load_vector(dy.row(row_of(in.image, oy, ox, sizes.out_h, sizes.out_w)) + c, g);
      load_vector(w.row(tap) + c, weight);
      multiply_add(g, weight, sum);
    }
    store_vector(dx.row(r) + c, sum);
  });
}

// Sums over all output pixels for one channel: of dy times the inputs of neighbouring taps, and of dy.
constexpr int kTapsAtOnce = 9;
struct FilterSums {
  float tap[kTapsAtOnce] = {};
  float dy = 0;
};
BOXCAR_DEVICE FilterSums merged(FilterSums a, const FilterSums& b) {
#pragma unroll
  for (int t = 0; t < kTapsAtOnce; ++t) a.tap[t] += b.tap[t];
  a.dy += b.dy;
  return a;
}

struct FilterTarget {
  float *dw, *dbias;  // dbias: null where it is not wanted
  bool add;
  BOXCAR_DEVICE void write(float& gradient, float value) const { gradient = (add ? gradient : 0.0f) + value; }
};

// A thread owns kWidth channels of every blockDim.y-th output pixel of its chunk, and nine taps of the filters from
// first_tap on; kKernel: the filter's side if it is known, or 0.
template <class T, int kWidth, int kKernel>
__global__ void __launch_bounds__(kTileThreads)
    depthwise_backward_weight_kernel(Rows<const T> x, Rows<const T> dy, Sizes sizes, int first_tap, std::int64_t rows,
                                     ChunkSums chunks, FilterTarget target) {
  const ConvOptions& o = sizes.options;
  const int c = tile_channel<kWidth>(), kernel = kKernel ? kKernel : o.kernel, first = kKernel ? 0 : first_tap;
  FilterSums sums[kWidth];
  if (c < sizes.channels) {
    for_chunk_rows<1>(rows, [&](std::int64_t r) {
      const Pixel out = pixel_of(r, sizes.out_h, sizes.out_w);
      float g[kWidth];
      load_vector(dy.row(r) + c, g);
#pragma unroll
      for (int t = 0; t < kTapsAtOnce; ++t) {
        const int iy = out.y * o.stride - o.padding + (first + t) / kernel * o.dilation;
        const int ix = out.x * o.stride - o.padding + (first + t) % kernel * o.dilation;
        if (!inside(iy, sizes.in_h) || !inside(ix, sizes.in_w) || first + t >= kernel * kernel) continue;
        float v[kWidth];
        load_vector(x.row(row_of(out.image, iy, ix, sizes.in_h, sizes.in_w)) + c, v);
#pragma unroll
        for (int i = 0; i < kWidth; ++i) sums[i].tap[t] += g[i] * v[i];
      }
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i].dy += g[i];
    });
  }
  finish_channel_sums(sums, chunks, [&](int channel, const FilterSums& all) {
#pragma unroll
    for (int t = 0; t < kTapsAtOnce; ++t) {
      if (first + t < kernel * kernel) target.write(target.dw[(first + t) * sizes.channels + channel], all.tap[t]);
    }
    if (target.dbias && first == 0) target.write(target.dbias[channel], all.dy);
  });
}

// Calls f(std::bool_constant<whether there are statistics>, grid, statistics) for a forward kernel whose threads take
// `rows_per_thread` rows.
template <int kWidth, class F>
void with_statistics(Stream& stream, const BatchStatistics& to, std::int64_t rows, int channels,
                     unsigned rows_per_thread, F&& f) {
  if (!to.wanted()) {
    return f(std::false_type{}, tile_grid(rows, channels, kWidth, rows_per_thread), StatisticsOfChunks{});
  }
  const ChannelSumsPlan plan(stream, rows, channels, kWidth, sizeof(Moments));
  f(std::true_type{}, plan.grid(), StatisticsOfChunks{plan.chunks(), to});
}

// 3x3 filters at stride 1, forward or, turned, backward.
template <class T>
void launch_3x3(Stream& stream, const TensorView& x, const TensorView& w, const float* bias, const TensorView& y,
                const Sizes& sizes, int padding, bool turned, const BatchStatistics& to) {
  const std::int64_t strips = std::int64_t{y.n} * y.h * ((y.w + kStrip - 1) / kStrip);
  with_vector_width<T>(common_width({x, w, y}), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    with_statistics<kWidth>(
        stream, to, strips, sizes.channels, 1,
        [&]<bool kStatistics>(std::bool_constant<kStatistics>, const Grid& grid, const StatisticsOfChunks& statistics) {
          launch("depthwise_3x3", depthwise_3x3_kernel<T, kWidth, kStatistics>, grid, stream, rows_of<const T>(x),
                 rows_of<const T>(w), bias, rows_of<T>(y), sizes, padding, turned, strips, statistics);
        });
  });
}

bool is_plain_3x3(const ConvOptions& o) { return o.kernel == 3 && o.stride == 1 && o.dilation == 1 && o.padding <= 2; }

template <class T, int kWidth, int kKernel>
void backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  const std::int64_t rows = args.dy.pixels();
  const int taps = args.options.kernel * args.options.kernel;
  const FilterTarget target{args.dw.as(), args.dbias, args.mode == GradMode::kAdd};
  const ChannelSumsPlan plan(stream, rows, args.x.c, kWidth, sizeof(FilterSums));
  for (int first = 0; first < taps; first += kTapsAtOnce) {
    launch("depthwise_backward_weight", depthwise_backward_weight_kernel<T, kWidth, kKernel>, plan.grid(), stream,
           rows_of<const T>(args.x), rows_of<const T>(args.dy), sizes_of(args.x, args.dy, args.options), first, rows,
           plan.chunks(), target);
  }
}

}  // namespace

void depthwise_forward(Stream& stream, const ConvForwardArgs& args) {
  const Sizes sizes = sizes_of(args.x, args.y, args.options);
  const std::int64_t rows = args.y.pixels();
  with_device_type("depthwise_forward", args.x.dtype, [&]<class T>(T) {
    if (is_plain_3x3(args.options)) {
      return launch_3x3<T>(stream, args.x, args.w, args.bias, args.y, sizes, args.options.padding, false,
                           args.statistics);
    }
    const int width = common_width({args.x, args.w, args.y});
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      with_statistics<kWidth>(stream, args.statistics, rows, sizes.channels, kRowsPerThread,
                              [&]<bool kStatistics>(std::bool_constant<kStatistics>, const Grid& grid,
                                                    const StatisticsOfChunks& statistics) {
                                launch("depthwise_forward", depthwise_forward_kernel<T, kWidth, kStatistics>, grid,
                                       stream, rows_of<const T>(args.x), rows_of<const T>(args.w), args.bias,
                                       rows_of<T>(args.y), sizes, rows, statistics);
                              });
    });
  });
}

void depthwise_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const Sizes sizes = sizes_of(args.dx, args.dy, args.options);
  const std::int64_t rows = args.dx.pixels();
  with_device_type("depthwise_backward_input", args.dx.dtype, [&]<class T>(T) {
    if (is_plain_3x3(args.options)) {  // at stride 1 the adjoint is a convolution of dy with the turned filters
      const Sizes swapped = sizes_of(args.dy, args.dx, args.options);
      return launch_3x3<T>(stream, args.dy, args.w, nullptr, args.dx, swapped, 2 - args.options.padding, true, {});
    }
    const int width = common_width({args.dy, args.w, args.dx});
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      launch("depthwise_backward_input", depthwise_backward_input_kernel<T, kWidth>,
             tile_grid(rows, sizes.channels, kWidth, kRowsPerThread), stream, rows_of<const T>(args.dy),
             rows_of<const T>(args.w), rows_of<T>(args.dx), sizes, rows);
    });
  });
}

void depthwise_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  with_device_type("depthwise_backward_weight", args.x.dtype, [&]<class T>(T) {
    // Ten sums a channel: more than four channels a thread would not fit registers and shared memory.
    const int width = std::min(4, common_width({args.x, args.dy}));
    with_vector_width<float>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      args.options.kernel == 3 ? backward_weight<T, kWidth, 3>(stream, args)
                               : backward_weight<T, kWidth, 0>(stream, args);
    });
  });
}

}  // namespace boxcar::kernels::cuda
