#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/pointwise.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/register_tile-inl.h"

#if HWY_ONCE
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"
#include "boxcar/kernels/norm_act/row_blocks.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(multiply);

constexpr std::int64_t kVector = 16;  // channels that suit every instruction set

Tensor floats(Stream& stream, std::int64_t count) {
  return Tensor::empty(stream, {1, 1, static_cast<int>((count + 63) / 64), 64});
}

// [C, O] from [O, 1, 1, C].
Tensor turned_weights(Stream& stream, const TensorView& w) {
  const Tensor turned = Tensor::empty(stream, {1, 1, w.c, w.n});
  const auto from = rows_of<const float>(w);
  const auto to = rows_of<float>(turned);
  parallel_for(stream.threads(), w.c, std::max(1, (1 << 14) / w.n), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      for (std::int64_t o = 0; o < w.n; ++o) to(c, o) = from(o, c);
    }
  });
  return turned;
}

// A range of neighbouring pixels of both sides.
struct Pixels {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};

// What follows from dz of some pixels: dx, and a part of dw, which is written first and then added to.
void use_grad(const ConvNormActBackwardArgs& args, const Pixels& pixels, const float* dz, float* dw, bool add) {
  const std::int64_t from = args.x.c, to = args.norm.z.c;
  const float* w = static_cast<const float*>(args.w.data);
  if (args.dx) {
    const auto dx = rows_of<float>(*args.dx);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, to, 1, w, from, dx.row(pixels.begin), dx.ld, to, false}, pixels.count(), from);
  }
  if (args.dw) {
    const auto x = rows_of<const float>(args.x);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, 1, to, x.row(pixels.begin), x.ld, dw, from, pixels.count(), add}, to, from);
  }
}

}  // namespace

bool cpu::suits_pointwise(const TensorView& x, const TensorView& y, const ConvOptions& o) {
  return o.kernel == 1 && o.stride == 1 && o.padding == 0 && o.groups == 1 && x.dtype == DType::kF32 &&
         y.dtype == DType::kF32 && x.c % kVector == 0 && y.c % kVector == 0 && y.count() > 0;
}

bool cpu::suits_pointwise_statistics(const ConvForwardArgs& args) {
  return args.statistics.wanted() && !args.bias && args.act.kind == ActKind::kIdentity && args.w.dtype == DType::kF32 &&
         suits_pointwise(args.x, args.y, args.options);
}

void cpu::pointwise_forward(Stream& stream, const ConvForwardArgs& args) {
  const std::int64_t from = args.x.c, to = args.y.c;
  const Tensor turned = turned_weights(stream, args.w);
  const auto x = rows_of<const float>(args.x);
  const auto y = rows_of<float>(args.y);
  simd::BatchMoments moments(stream, {args.y, args.statistics});
  const RowBlocks& blocks = moments.blocks();
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) {
      HWY_DYNAMIC_DISPATCH(multiply)
      ({x.row(blocks.begin(b)), x.ld, 1, turned.as(), to, y.row(blocks.begin(b)), y.ld, from, false},
       blocks.end(b) - blocks.begin(b), to);
      moments.add(b);
    }
  });
  moments.save();
}

void cpu::pointwise_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args) {
  const simd::NormGradRows grads(stream, args.norm);
  const std::int64_t pixels = args.norm.z.pixels(), size = args.w.count();
  const RowBlocks blocks(pixels, args.norm.z.c);
  const std::int64_t parts = weight_grad_part_count(pixels, blocks.rows(), size);
  const Tensor sums = floats(stream, args.dw ? parts * size : 0);
  const std::int64_t buffer = blocks.rows() * args.norm.z.c;
  const Tensor buffers = floats(stream, buffer * parts);
  parallel_for(stream.threads(), parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const std::int64_t begin = pixels * part / parts, end = pixels * (part + 1) / parts;
      float* const dz = buffers.as() + first * buffer;
      for (std::int64_t row = begin; row < end; row += blocks.rows()) {
        const Pixels some{row, std::min(row + blocks.rows(), end)};
        grads.write(some.begin, some.end, dz);
        use_grad(args, some, dz, sums.as() + part * size, row > begin);
      }
    }
  });
  if (args.dw) sum_weight_grad_parts(stream, sums.as(), parts, *args.dw, args.mode);
}

}  // namespace boxcar::kernels
#endif
