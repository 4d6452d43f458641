#include <algorithm>

#include "boxcar/kernels/common/channel_sums.h"
#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_patches.h"

namespace boxcar::kernels::cuda {
namespace {

// A block owns a tile of output channels x products of one group, summed over one part of the pixels. blockIdx.z
// counts [part, group]. `dw` holds as many results as there are parts.
template <class T, class Tile, int kWidth>
__global__ void __launch_bounds__(Tile::kThreads)
    conv_backward_weight_kernel(PatchShape shape, Rows<const T> x, int in_channels, Rows<const T> dy, int out_channels,
                                int groups, int part_pixels, float* dw, bool add) {
  const int part = static_cast<int>(blockIdx.z) / groups, group = static_cast<int>(blockIdx.z) % groups;
  const MatrixOperand<T, kWidth, false> gradients{dy.data + group * out_channels, dy.ld, out_channels};
  const PatchOperand<T, kWidth, false> patches(shape, {x.data + group * in_channels, x.ld});
  const int begin = part * part_pixels;
  float* const to = dw + std::int64_t{static_cast<int>(blockIdx.z)} * out_channels * shape.products;
  multiply_tile<ConvSums<T, Tile>, Tile>(
      gradients, patches, static_cast<int>(blockIdx.x) * Tile::kRows, static_cast<int>(blockIdx.y) * Tile::kColumns,
      begin, begin + min(shape.pixels - begin, part_pixels), [&](int channel, int product, float v0, float v1) {
        if (channel >= out_channels || product >= shape.products) return;
        float* const at = to + std::int64_t{channel} * shape.products + product;
        at[0] = add ? at[0] + v0 : v0;
        if (product + 1 < shape.products) at[1] = add ? at[1] + v1 : v1;
      });
}

constexpr int kSumThreads = 256;

// A thread owns one element of dw and one of kRuns runs of the parts; the first run's adds up all runs in order.
template <int kRuns>
__global__ void __launch_bounds__(kSumThreads)
    sum_parts_kernel(const float* partial, int parts, float* dw, std::int64_t count, bool add) {
  constexpr int kElements = kSumThreads / kRuns;
  BOXCAR_SHARED(float, sums, [kRuns][kElements]);
  const int element = static_cast<int>(threadIdx.x) % kElements, run = static_cast<int>(threadIdx.x) / kElements;
  const std::int64_t i = std::int64_t{blockIdx.x} * kElements + element;
  float sum = 0;
  if (i < count) {
    const int end = parts * (run + 1) / kRuns;
#pragma unroll 8
    for (int part = parts * run / kRuns; part < end; ++part) sum += partial[part * count + i];
  }
  sums[run][element] = sum;
  __syncthreads();
  if (run != 0 || i >= count) return;
#pragma unroll
  for (int k = 1; k < kRuns; ++k) sum += sums[k][element];
  dw[i] = add ? dw[i] + sum : sum;
}

template <int kRuns>
void launch_sum_parts(Stream& stream, const float* partial, int parts, const TensorView& dw, GradMode mode) {
  const Grid grid{grid_for(dw.count(), kSumThreads / kRuns).blocks, dim3(kSumThreads)};
  launch("sum_parts", sum_parts_kernel<kRuns>, grid, stream, partial, parts, dw.as(), dw.count(),
         mode == GradMode::kAdd);
}

struct BiasSum {
  float value = 0;
};
BOXCAR_DEVICE BiasSum merged(BiasSum a, BiasSum b) { return {a.value + b.value}; }

// A thread owns kWidth channels of every blockDim.y-th row of its chunk.
template <class T, int kWidth>
__global__ void __launch_bounds__(kTileThreads)
    conv_backward_bias_kernel(Rows<const T> dy, std::int64_t rows, int channels, ChunkSums chunks, float* dbias,
                              bool add) {
  const int c = tile_channel<kWidth>();
  BiasSum sums[kWidth];
  if (c < channels) {
    for_chunk_rows<2>(rows, [&](std::int64_t r) {
      float v[kWidth];
      load_vector(dy.row(r) + c, v);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i].value += v[i];
    });
  }
  finish_channel_sums(sums, chunks,
                      [&](int channel, BiasSum sum) { dbias[channel] = add ? dbias[channel] + sum.value : sum.value; });
}

// Into how many parts the pixels go, so that there are blocks for a whole device.
int parts_of(std::int64_t pixels, std::int64_t tiles) {
  constexpr std::int64_t kBlocks = 512, kFewestPixels = 256;
  const std::int64_t most = (pixels + kFewestPixels - 1) / kFewestPixels;
  return static_cast<int>(
      std::clamp<std::int64_t>(kBlocks / std::max<std::int64_t>(1, tiles), 1, std::max<std::int64_t>(1, most)));
}

template <class T, class Tile, int kWidth>
void backward_weight(Stream& stream, const ConvBackwardWeightArgs& args, const PatchShape& shape) {
  const int groups = args.options.groups, in = args.x.c / groups, out = args.dy.c / groups;
  const unsigned down = blocks_of(out, Tile::kRows), along = blocks_of(shape.products, Tile::kColumns);
  const std::int64_t tiles = std::int64_t{down} * along * groups;
  // Parts that begin at a step's begin.
  const int wanted = parts_of(shape.pixels, tiles);
  const int part_pixels = std::max(1, static_cast<int>(blocks_of(shape.pixels, wanted * Tile::kDepth))) * Tile::kDepth;
  const int parts = std::max(1, static_cast<int>(blocks_of(shape.pixels, part_pixels)));
  const bool add = args.mode == GradMode::kAdd;
  const Tensor partial =
      parts > 1 ? Tensor::empty(stream, {parts, args.dw.n, args.dw.h * args.dw.w, args.dw.c}) : Tensor();
  launch("conv_backward_weight", conv_backward_weight_kernel<T, Tile, kWidth>,
         Grid{dim3(down, along, static_cast<unsigned>(parts * groups)), dim3(Tile::kThreads)}, stream, shape,
         rows_of<const T>(args.x), in, rows_of<const T>(args.dy), out, groups, part_pixels,
         partial ? partial.as() : args.dw.as(), add && !partial);
  if (partial) sum_parts(stream, partial.as(), parts, args.dw, args.mode);
}

}  // namespace

void backward_bias(Stream& stream, const ConvBackwardWeightArgs& args) {
  const std::int64_t rows = args.dy.pixels();
  with_device_type("conv_backward_weight", args.dy.dtype, [&]<class T>(T) {
    with_vector_width<T>(args.dy.vector_width(), [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      const ChannelSumsPlan plan(stream, rows, args.dy.c, kWidth, sizeof(BiasSum));
      launch("conv_backward_bias", conv_backward_bias_kernel<T, kWidth>, plan.grid(), stream, rows_of<const T>(args.dy),
             rows, args.dy.c, plan.chunks(), args.dbias, args.mode == GradMode::kAdd);
    });
  });
}

void sum_parts(Stream& stream, const float* partial, int parts, const TensorView& dw, GradMode mode) {
  // Many parts come with few elements: one thread for each of these would wait for part after part.
  constexpr int kManyParts = 32;
  parts < kManyParts ? launch_sum_parts<1>(stream, partial, parts, dw, mode)
                     : launch_sum_parts<8>(stream, partial, parts, dw, mode);
}

void own_conv_backward_weight(Stream& stream, const ConvBackwardWeightArgs& args) {
  if (is_stem(args.x.c, args.options)) return stem_backward_weight(stream, args);
  const int groups = args.options.groups;
  const PatchShape shape = patches_of_input(args.x, args.dy, args.options);
  with_device_type("conv_backward_weight", args.x.dtype, [&]<class T>(T) {
    constexpr int kMost = 16 / static_cast<int>(sizeof(T));
    using Small = MatrixTile<32, 32, kConvDepth<T>, 16, 16>;
    using Large = MatrixTile<64, 64, kConvDepth<T>, 32, 32>;
    const int width = std::min(group_width(args.x, groups, kMost), group_width(args.dy, groups, kMost));
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      if constexpr (kWidth >= 4) {
        if (args.dy.c / groups > 32 && shape.products > 32) {
          return backward_weight<T, Large, kWidth>(stream, args, shape);
        }
      }
      backward_weight<T, Small, kWidth>(stream, args, shape);
    });
  });
}

}  // namespace boxcar::kernels::cuda
