#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_patches.h"

namespace boxcar::kernels::cuda {
namespace {

// With stride s the pixels of dx whose number is `phase` modulo s meet every `step`-th tap from `first_tap` on, and no
// other: each phase is a convolution of dy with these taps, of stride 1.
struct PhaseAxis {
  int phase, stride, first_tap, step;
  PatchAxis dy;  // dy seen from the phase's pixels
};

PhaseAxis phase_axis(int phase, int dx_size, int dy_size, const ConvOptions& o) {
  PhaseAxis axis{phase, o.stride, 0, 1, {dy_size, (dx_size - phase + o.stride - 1) / o.stride, 0, 1, 0, 0}};
  const auto meets = [&](int tap) { return (phase + o.padding - tap * o.dilation) % o.stride == 0; };
  while (axis.first_tap < o.kernel && !meets(axis.first_tap)) ++axis.first_tap;
  if (axis.first_tap == o.kernel) return axis;
  while (axis.step * o.dilation % o.stride != 0) ++axis.step;
  axis.dy.taps = (o.kernel - axis.first_tap + axis.step - 1) / axis.step;
  axis.dy.first = (phase + o.padding - axis.first_tap * o.dilation) / o.stride;
  axis.dy.step = -(axis.step * o.dilation / o.stride);
  return axis;
}

// A phase's taps of the filters, a row for each input channel: products are counted [tap y, tap x, output channel].
template <int kVectorWidth>
struct PhaseFilters {
  using Element = float;
  static constexpr int kWidth = kVectorWidth;
  static constexpr bool kAlongDepth = false;
  const PatchShape& shape;
  PhaseAxis y, x;
  const float* w;  // of the group
  int kernel, in_channels;

  BOXCAR_DEVICE int row(int channel) const { return channel; }
  BOXCAR_DEVICE const float* place(int k) const {
    int out = k, tap_x = shape.by_channels.split(out);
    const int tap_y = shape.by_taps.split(tap_x);
    const int tap = (y.first_tap + tap_y * y.step) * kernel + x.first_tap + tap_x * x.step;
    return w + (std::int64_t{out} * kernel * kernel + tap) * in_channels;
  }
  BOXCAR_DEVICE const float* at(int channel, const float* place) const {
    return channel < in_channels ? place + channel : nullptr;
  }
};

// A block owns a tile of a phase's pixels x input channels of the group blockIdx.z.
template <class T, class Tile, int kWidth>
__global__ void __launch_bounds__(Tile::kThreads)
    conv_backward_input_kernel(PatchShape shape, PhaseAxis y, PhaseAxis x, Rows<const T> dy, const float* w, int kernel,
                               int out_channels, Rows<T> dx, int height, int width, int in_channels, bool pairs) {
  const int group = static_cast<int>(blockIdx.z);
  const PatchOperand<T, kWidth, true> patches(shape, {dy.data + group * out_channels, dy.ld});
  const std::int64_t group_weights = std::int64_t{out_channels} * kernel * kernel * in_channels;
  const PhaseFilters<kWidth> filters{shape, y, x, w + group * group_weights, kernel, in_channels};
  multiply_tile<ConvSums<T, Tile>, Tile>(
      patches, filters, static_cast<int>(blockIdx.x) * Tile::kRows, static_cast<int>(blockIdx.y) * Tile::kColumns, 0,
      shape.products, [&](int pixel, int channel, float v0, float v1) {
        if (pixel >= shape.pixels || channel >= in_channels) return;
        int column = pixel, row = shape.by_columns.split(column);
        const int image = shape.by_rows.split(row);
        const std::int64_t at =
            (std::int64_t{image} * height + row * y.stride + y.phase) * width + column * x.stride + x.phase;
        T* const to = dx.row(at) + group * in_channels + channel;
        const bool both = channel + 1 < in_channels;
        const float values[2] = {v0, v1};
        if (both && pairs) return store_vector(to, values);
        to[0] = static_cast<T>(v0);
        if (both) to[1] = static_cast<T>(v1);
      });
}

template <class T, int kWidth>
void backward_input_phase(Stream& stream, const ConvBackwardInputArgs& args, const float* w, const PhaseAxis& y,
                          const PhaseAxis& x) {
  const int groups = args.options.groups, in = args.dx.c / groups, out = args.dy.c / groups;
  const PatchShape shape(args.dx.n, y.dy, x.dy, out);
  with_conv_tile<T, kWidth>(shape.pixels, in, groups, [&]<class Tile>(Tile) {
    const Grid grid{
        dim3(blocks_of(shape.pixels, Tile::kRows), blocks_of(in, Tile::kColumns), static_cast<unsigned>(groups)),
        dim3(Tile::kThreads)};
    launch("conv_backward_input", conv_backward_input_kernel<T, Tile, kWidth>, grid, stream, shape, y, x,
           rows_of<const T>(args.dy), w, args.options.kernel, out, rows_of<T>(args.dx), args.dx.h, args.dx.w, in,
           has_pairs(args.dx, groups));
  });
}

}  // namespace

void own_conv_backward_input(Stream& stream, const ConvBackwardInputArgs& args) {
  const ConvOptions& o = args.options;
  const Tensor w = weights_as_f32(stream, args.w);
  with_device_type("conv_backward_input", args.dy.dtype, [&]<class T>(T) {
    constexpr int kMost = 16 / static_cast<int>(sizeof(T));
    const int width = std::min(group_width(args.dy, o.groups, kMost), group_width(w, 1, kMost));
    with_vector_width<T>(width, [&]<int kWidth>(std::integral_constant<int, kWidth>) {
      for (int y = 0; y < std::min(o.stride, args.dx.h); ++y) {
        for (int x = 0; x < std::min(o.stride, args.dx.w); ++x) {
          backward_input_phase<T, kWidth>(stream, args, w.as(), phase_axis(y, args.dx.h, args.dy.h, o),
                                          phase_axis(x, args.dx.w, args.dy.w, o));
        }
      }
    });
  });
}

}  // namespace boxcar::kernels::cuda
