// Convolutions of images with three channels: patches are short and no vector fits them, so that each thread keeps
// sums of its own instead of sharing a tile.
#include <algorithm>

#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_patches.h"
#include "boxcar/kernels/conv/conv_statistics.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr int kImageChannels = 3;
constexpr int kForwardThreads = 128, kForwardChannels = 16;

// Where y's rows go.
struct StemResult {
  void* y;
  std::int64_t ld;
  int channels;
  BiasAndAct epilogue;
  bool is_f32, vectors;

  // Sums become what is stored.
  template <class T>
  BOXCAR_DEVICE void store(std::int64_t row, int first, float (&values)[kForwardChannels]) const {
    constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
    T* const to = static_cast<T*>(y) + row * ld + first;
#pragma unroll
    for (int c = 0; c < kForwardChannels; c += kWidth) {
      T part[kWidth];
#pragma unroll
      for (int i = 0; i < kWidth; ++i) {
        part[i] = static_cast<T>(values[c + i]);
        values[c + i] = static_cast<float>(part[i]);
      }
      if (vectors && first + c + kWidth <= channels) {
        store_elements(to + c, part);
      } else {
#pragma unroll
        for (int i = 0; i < kWidth; ++i) {
          if (first + c + i < channels) to[c + i] = part[i];
        }
      }
    }
  }
};

// The block's 16 filters, as the activations' type rounds them, to shared memory [products][16].
template <class T>
BOXCAR_DEVICE void load_filters(const float* w, int products, int first, int channels, float* filters) {
  for (int i = static_cast<int>(threadIdx.x); i < products * kForwardChannels; i += kForwardThreads) {
    const int channel = first + i % kForwardChannels;
    const float value = channel < channels ? w[channel * products + i / kForwardChannels] : 0.0f;
    filters[i] = static_cast<float>(static_cast<T>(value));
  }
}

// The products of one output pixel with 16 filters.
template <class T>
BOXCAR_DEVICE void add_products(const PatchShape& shape, Rows<const T> x, const float* filters, int pixel,
                                float (&sums)[kForwardChannels]) {
  int column = pixel, row = shape.by_columns.split(column);
  const int image = shape.by_rows.split(row);
  for (int tap_y = 0; tap_y < shape.y.taps; ++tap_y) {
    const int iy = row * shape.y.stride + shape.y.first + tap_y * shape.y.step;
    if (iy < 0 || iy >= shape.y.size) continue;
    for (int tap_x = 0; tap_x < shape.x.taps; ++tap_x) {
      const int ix = column * shape.x.stride + shape.x.first + tap_x * shape.x.step;
      if (ix < 0 || ix >= shape.x.size) continue;
      const T* const from = x.row((std::int64_t{image} * shape.y.size + iy) * shape.x.size + ix);
      const float* const tap = filters + (tap_y * shape.x.taps + tap_x) * kImageChannels * kForwardChannels;
#pragma unroll
      for (int c = 0; c < kImageChannels; ++c) {
        const float value = static_cast<float>(from[c]);
        float filter[kForwardChannels];
        load_elements(tap + c * kForwardChannels, filter);
#pragma unroll
        for (int o = 0; o < kForwardChannels; ++o) sums[o] += value * filter[o];
      }
    }
  }
}

// Statistics of what the block has stored, a pixel a thread. Eight neighbouring threads then add up a channel; its
// origin is the value of the block's first pixel.
BOXCAR_DEVICE void add_stem_statistics(const float (&stored)[kForwardChannels], int pixels, int first,
                                       const StatisticsOfChunks& statistics) {
  constexpr int kLanes = kForwardThreads / kForwardChannels;
  BOXCAR_SHARED(float, values, [kForwardChannels][kForwardThreads + kLanes]);
  BOXCAR_SHARED(float, table, [kForwardThreads * kMomentFloats]);
  const int thread = static_cast<int>(threadIdx.x), channel = thread / kLanes;
#pragma unroll
  for (int c = 0; c < kForwardChannels; ++c) values[c][thread] = stored[c];
  __syncthreads();
  const float origin = values[channel][0];
  Distances all;
#pragma unroll
  for (int k = 0; k < kForwardThreads / kLanes; ++k) {
    const int pixel = thread % kLanes + k * kLanes;
    if (pixel < pixels) all.add(values[channel][pixel] - origin);
  }
  all.add_lanes(1, kLanes);
  if (thread % kLanes == 0 && first + channel < statistics.chunks.channels) {
    store_chunk_sum(statistics.chunks, blockIdx.x, first + channel,
                    moments_around(origin, static_cast<float>(pixels), all.sum, all.squares));
  }
  statistics.merge({blockIdx.y, first, min(statistics.chunks.channels, first + kForwardChannels), kForwardChannels},
                   table);
}

// A thread owns 16 channels of an output pixel; blockIdx.y picks the channels.
template <class T>
__global__ void __launch_bounds__(kForwardThreads)
    stem_forward_kernel(PatchShape shape, Rows<const T> x, const float* w, StemResult result,
                        StatisticsOfChunks statistics) {
  BOXCAR_DYNAMIC_SHARED(float, filters);
  const int first = static_cast<int>(blockIdx.y) * kForwardChannels;
  load_filters<T>(w, shape.products, first, result.channels, filters);
  __syncthreads();
  const int first_pixel = static_cast<int>(blockIdx.x) * kForwardThreads;
  const int pixel = first_pixel + static_cast<int>(threadIdx.x);
  float sums[kForwardChannels] = {};
  if (pixel < shape.pixels) {
    add_products(shape, x, filters, pixel, sums);
#pragma unroll
    for (int o = 0; o < kForwardChannels; ++o) {
      if (first + o < result.channels) sums[o] = result.epilogue.finished(sums[o], first + o);
    }
    result.is_f32 ? result.template store<float>(pixel, first, sums) : result.template store<T>(pixel, first, sums);
  }
  if (!statistics.wanted()) return;
  add_stem_statistics(sums, min(shape.pixels - first_pixel, kForwardThreads), first, statistics);
}

// A warp's lanes are 4 groups of output channels x 7 of products, and four to spare: 28 products hold a 3x3 filter.
constexpr int kWeightWarps = 8, kWeightThreads = 32 * kWeightWarps;
constexpr int kLaneSums = 4, kChannelLanes = 4, kProductLanes = 7;
constexpr int kWarpChannels = kChannelLanes * kLaneSums, kWarpProducts = kProductLanes * kLaneSums;

// Offsets of the products of a lane from the pixel where tap 0 would be.
struct LaneProducts {
  int y[kLaneSums], x[kLaneSums], channel[kLaneSums];

  BOXCAR_DEVICE LaneProducts(const PatchShape& shape, int first) {
#pragma unroll
    for (int i = 0; i < kLaneSums; ++i) {
      int c = first + i, tap_x = shape.by_channels.split(c);
      const int tap_y = shape.by_taps.split(tap_x);
      // Beyond the last: outside of every image.
      y[i] = first + i < shape.products ? tap_y * shape.y.step : -(1 << 30);
      x[i] = tap_x * shape.x.step;
      channel[i] = c;
    }
  }
};

// A warp owns 16 output channels x 28 products for every eighth pixel of the block's part of them, a lane 4 x 4 of
// these. The warps are added in order. blockIdx.x counts parts, blockIdx.y channels, blockIdx.z products.
template <class T>
__global__ void __launch_bounds__(kWeightThreads, 2)
    stem_backward_weight_kernel(PatchShape shape, Rows<const T> x, Rows<const T> dy, int out_channels, bool vectors,
                                int part_pixels, float* partial) {
  BOXCAR_SHARED(float, warps, [kWeightWarps][kWarpChannels][kWarpProducts]);
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int lane_channel = lane / kProductLanes * kLaneSums, lane_product = lane % kProductLanes * kLaneSums;
  const int first_channel = static_cast<int>(blockIdx.y) * kWarpChannels;
  const int first_product = static_cast<int>(blockIdx.z) * kWarpProducts;
  const int channel = first_channel + lane_channel;
  const int begin = static_cast<int>(blockIdx.x) * part_pixels, end = begin + min(shape.pixels - begin, part_pixels);
  const LaneProducts products(shape, first_product + lane_product);
  float sums[kLaneSums][kLaneSums] = {};
  if (lane < kChannelLanes * kProductLanes && channel < out_channels) {
#pragma unroll 2
    for (int pixel = begin + warp; pixel < end; pixel += kWeightWarps) {
      int column = pixel, row = shape.by_columns.split(column);
      const int image = shape.by_rows.split(row);
      const int iy = row * shape.y.stride + shape.y.first, ix = column * shape.x.stride + shape.x.first;
      float gradient[kLaneSums], value[kLaneSums];
      const T* const from = dy.row(pixel) + channel;
      if (vectors) {
        load_vector(from, gradient);
      } else {
#pragma unroll
        for (int o = 0; o < kLaneSums; ++o) {
          gradient[o] = channel + o < out_channels ? static_cast<float>(from[o]) : 0.0f;
        }
      }
#pragma unroll
      for (int i = 0; i < kLaneSums; ++i) {
        const int py = iy + products.y[i], px = ix + products.x[i];
        const bool inside = py >= 0 && py < shape.y.size && px >= 0 && px < shape.x.size;
        const std::int64_t at = (std::int64_t{image} * shape.y.size + py) * shape.x.size + px;
        value[i] = inside ? static_cast<float>(x(at, products.channel[i])) : 0.0f;
      }
#pragma unroll
      for (int o = 0; o < kLaneSums; ++o) {
#pragma unroll
        for (int i = 0; i < kLaneSums; ++i) sums[o][i] += gradient[o] * value[i];
      }
    }
  }
  if (lane < kChannelLanes * kProductLanes) {
#pragma unroll
    for (int o = 0; o < kLaneSums; ++o) {
#pragma unroll
      for (int i = 0; i < kLaneSums; ++i) warps[warp][lane_channel + o][lane_product + i] = sums[o][i];
    }
  }
  __syncthreads();
  float* const to = partial + std::int64_t{blockIdx.x} * out_channels * shape.products;
  for (int i = static_cast<int>(threadIdx.x); i < kWarpChannels * kWarpProducts; i += kWeightThreads) {
    const int o = i / kWarpProducts, p = i % kWarpProducts;
    if (first_channel + o >= out_channels || first_product + p >= shape.products) continue;
    float sum = 0;
#pragma unroll
    for (int k = 0; k < kWeightWarps; ++k) sum += warps[k][o][p];
    to[(first_channel + o) * shape.products + first_product + p] = sum;
  }
}

}  // namespace

void stem_forward(Stream& stream, const ConvForwardArgs& args) {
  const Tensor w = weights_as_f32(stream, args.w);
  const PatchShape shape = patches_of_input(args.x, args.y, args.options);
  const int width = 16 / static_cast<int>(size_of(args.y.dtype));
  const StemResult result{args.y.data,
                          args.y.ld,
                          args.y.c,
                          {args.bias, args.act.kind},
                          args.y.dtype == DType::kF32,
                          group_width(args.y, 1, width) == width};
  const Grid grid{dim3(blocks_of(shape.pixels, kForwardThreads), blocks_of(args.y.c, kForwardChannels)),
                  dim3(kForwardThreads), static_cast<std::size_t>(shape.products * kForwardChannels) * sizeof(float)};
  const StatisticsPlan statistics(stream, args.statistics, grid, args.y.c);
  with_device_type("conv_forward", args.x.dtype, [&]<class T>(T) {
    launch("stem_forward", stem_forward_kernel<T>, grid, stream, shape, rows_of<const T>(args.x), w.as<const float>(),
           result, statistics.chunks());
  });
}

void stem_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  constexpr int kFewestPixels = 64, kMostParts = 1024;
  const PatchShape shape = patches_of_input(args.x, args.dy, args.options);
  const int wanted = std::clamp(static_cast<int>(blocks_of(shape.pixels, kFewestPixels)), 1, kMostParts);
  const int part_pixels = std::max(1, static_cast<int>(blocks_of(shape.pixels, wanted)));
  const int parts = std::max(1, static_cast<int>(blocks_of(shape.pixels, part_pixels)));
  const Tensor partial = Tensor::empty(stream, {parts, args.dw.n, args.dw.h * args.dw.w, args.dw.c});
  const Grid grid{
      dim3(static_cast<unsigned>(parts), blocks_of(args.dy.c, kWarpChannels), blocks_of(shape.products, kWarpProducts)),
      dim3(kWeightThreads)};
  const bool vectors = group_width(args.dy, 1, kLaneSums) == kLaneSums;
  with_device_type("conv_backward_weight", args.x.dtype, [&]<class T>(T) {
    launch("stem_backward_weight", stem_backward_weight_kernel<T>, grid, stream, shape, rows_of<const T>(args.x),
           rows_of<const T>(args.dy), args.dy.c, vectors, part_pixels, partial.as());
  });
  sum_parts(stream, partial.as(), parts, args.dw, args.mode);
}

}  // namespace boxcar::kernels::cuda
