#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_patches.h"
#include "boxcar/kernels/conv/conv_statistics.h"

namespace boxcar::kernels::cuda {
namespace {

// Where y's rows go.
struct ForwardResult {
  void* y;
  std::int64_t ld;
  BiasAndAct epilogue;
  bool is_f32, pairs;

  // Sums become what is stored.
  template <class T>
  BOXCAR_DEVICE void store(std::int64_t row, int channel, bool both, float& v0, float& v1) const {
    T* const to = static_cast<T*>(y) + row * ld + channel;
    const T values[2] = {static_cast<T>(epilogue.finished(v0, channel)),
                         static_cast<T>(both ? epilogue.finished(v1, channel + 1) : 0.0f)};
    v0 = static_cast<float>(values[0]);
    v1 = static_cast<float>(values[1]);
    if (both && pairs) return store_elements(to, values);
    to[0] = values[0];
    if (both) to[1] = values[1];
  }
};

// A block owns a tile of pixels x output channels of the group blockIdx.z.
template <class T, class Tile, int kWidth>
__global__ void __launch_bounds__(Tile::kThreads)
    conv_forward_kernel(PatchShape shape, Rows<const T> x, int in_channels, const float* w, int out_channels,
                        ForwardResult result, StatisticsOfChunks statistics) {
  const int group = static_cast<int>(blockIdx.z);
  const PatchOperand<T, kWidth, true> patches(shape, {x.data + group * in_channels, x.ld});
  const MatrixOperand<float, kWidth, true> filters{w + std::int64_t{group} * out_channels * shape.products,
                                                   shape.products, out_channels};
  const int first_pixel = static_cast<int>(blockIdx.x) * Tile::kRows;
  const int first_channel = static_cast<int>(blockIdx.y) * Tile::kColumns;
  const auto stored =
      multiply_tile<ConvSums<T, Tile>, Tile>(patches, filters, first_pixel, first_channel, 0, shape.products,
                                             [&](int pixel, int channel, float& v0, float& v1) {
                                               if (pixel >= shape.pixels || channel >= out_channels) return;
                                               const bool both = channel + 1 < out_channels;
                                               const int first = group * out_channels + channel;
                                               result.is_f32 ? result.template store<float>(pixel, first, both, v0, v1)
                                                             : result.template store<T>(pixel, first, both, v0, v1);
                                             });
  if (!statistics.wanted()) return;
  const ChunkTile tile{blockIdx.z * gridDim.y + blockIdx.y, group * out_channels + first_channel,
                       group * out_channels + min(out_channels, first_channel + Tile::kColumns), Tile::kColumns};
  add_tile_statistics<Tile>(stored, min(shape.pixels - first_pixel, Tile::kRows), tile, statistics);
}

}  // namespace

Tensor weights_as_f32(Stream& stream, const TensorView& w) {
  if (w.dtype == DType::kF32) return Tensor::wrap(w, nullptr);
  const Tensor wide = Tensor::empty(stream, w.shape());
  copy(stream, {w, wide});
  return wide;
}

void own_conv_forward(Stream& stream, const ConvForwardArgs& args) {
  if (is_stem(args.x.c, args.options)) return stem_forward(stream, args);
  const Tensor w = weights_as_f32(stream, args.w);
  const int groups = args.options.groups, in = args.x.c / groups, out = args.y.c / groups;
  const PatchShape shape = patches_of_input(args.x, args.y, args.options);
  const ForwardResult result{
      args.y.data, args.y.ld, {args.bias, args.act.kind}, args.y.dtype == DType::kF32, has_pairs(args.y, groups)};
  with_device_type("conv_forward", args.x.dtype, [&]<class T>(T) {
    const int width = std::min(group_width(args.x, groups, 16 / static_cast<int>(sizeof(T))),
                               group_width(w, 1, 16 / static_cast<int>(sizeof(T))));
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      with_conv_tile<T, kWidth>(shape.pixels, out, groups, [&]<class Tile>(Tile) {
        const Grid grid{
            dim3(blocks_of(shape.pixels, Tile::kRows), blocks_of(out, Tile::kColumns), static_cast<unsigned>(groups)),
            dim3(Tile::kThreads)};
        const StatisticsPlan statistics(stream, args.statistics, grid, args.y.c);
        launch("conv_forward", conv_forward_kernel<T, Tile, kWidth>, grid, stream, shape, rows_of<const T>(args.x), in,
               w.as<const float>(), out, result, statistics.chunks());
      });
    });
  });
}

}  // namespace boxcar::kernels::cuda
