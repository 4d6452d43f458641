#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/conv/pointwise_backward.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/register_tile-inl.h"

#if HWY_ONCE
#include "boxcar/kernels/conv/pointwise.h"
#include "boxcar/kernels/conv/weight_grad_parts.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(multiply);

// A range of neighbouring pixels.
struct Pixels {
  std::int64_t begin, end;
  std::int64_t count() const { return end - begin; }
};

// What follows from dz of some pixels: dx, and a part of dw, which is written first and then added to.
void use_grad(const cpu::PointwiseGrads& grads, const Pixels& pixels, const float* dz, float* dw, bool add) {
  const std::int64_t from = grads.x.c, to = grads.w.n;
  if (grads.dx) {
    const auto dx = rows_of<float>(*grads.dx);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, to, 1, grads.w.as(), grads.w.ld, dx.row(pixels.begin), dx.ld, to, false}, pixels.count(), from);
  }
  if (grads.dw) {
    const auto x = rows_of<const float>(grads.x);
    HWY_DYNAMIC_DISPATCH(multiply)
    ({dz, 1, to, x.row(pixels.begin), x.ld, dw, from, pixels.count(), add}, to, from);
  }
}

// Parts of the batch whose weight gradients are summed one after the other.
std::int64_t part_count(const cpu::PointwiseGrads& grads) {
  constexpr std::int64_t kFewest = 512;  // rows, for which writing and adding a gradient is worth while
  const std::int64_t size = grads.w.count(), block = cpu::pointwise_rows(grads.w.n);
  return cpu::weight_grad_part_count(grads.x.pixels(), std::clamp(size / 512, block, std::max(block, kFewest)), size);
}

// For all parts, a block of pixels after the other: dz_of(pixels, buffer) gives their rows of dz, in `buffer` or
// elsewhere. Parts begin at multiples of `unit` pixels; begin_part() is told all of a part's pixels before.
void for_blocks(Stream& stream, const cpu::PointwiseGrads& grads, std::int64_t unit,
                FunctionRef<void(Pixels)> begin_part, FunctionRef<const float*(Pixels, float*)> dz_of) {
  const std::int64_t units = grads.x.pixels() / unit, size = grads.w.count();
  const std::int64_t block = cpu::pointwise_rows(grads.w.n), buffer = block * grads.w.n;
  const std::int64_t parts = std::min(part_count(grads), units);
  const Tensor sums = cpu::scratch_rows(stream, grads.dw ? parts : 0, size);
  const Tensor buffers = cpu::scratch_rows(stream, parts, buffer);
  parallel_for(stream.threads(), parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t part = first; part < last; ++part) {
      const Pixels all{units * part / parts * unit, units * (part + 1) / parts * unit};
      begin_part(all);
      for (std::int64_t row = all.begin; row < all.end; row += block) {
        const Pixels some{row, std::min(row + block, all.end)};
        const float* dz = dz_of(some, buffers.as() + first * buffer);
        use_grad(grads, some, dz, sums.as() + part * size, row > all.begin);
      }
    }
  });
  if (grads.dw) cpu::sum_weight_grad_parts(stream, sums.as(), parts, *grads.dw, grads.mode);
}

cpu::PointwiseGrads grads_of(const ConvNormActBackwardArgs& args) {
  return {args.x, args.w, args.dx, args.dw, args.mode};
}

}  // namespace

bool cpu::suits_pointwise_backward(const ConvNormActBackwardArgs& args) {
  constexpr std::int64_t kForOneThread = 1 << 20;  // products that are not worth sharing out
  return args.w.dtype == DType::kF32 && suits_pointwise(args.x, args.norm.z, args.options) &&
         (part_count(grads_of(args)) > 1 || args.norm.z.pixels() * args.w.count() <= kForOneThread);
}

void cpu::pointwise_norm_act_backward(Stream& stream, const ConvNormActBackwardArgs& args, const EnlargedMap* sums) {
  const simd::NormGradRows norm(stream, args.norm);
  const auto begin_part = [&](Pixels part) {
    if (sums) sums->clear(part.begin, part.end);
  };
  const auto dz_of = [&](Pixels some, float* buffer) -> const float* {
    norm.write(some.begin, some.end, buffer);
    if (sums) sums->add(some.begin, some.end, buffer);
    return buffer;
  };
  for_blocks(stream, grads_of(args), sums ? sums->band() : 1, begin_part, dz_of);
}

void cpu::pointwise_backward(Stream& stream, const TensorView& dy, const PointwiseGrads& grads) {
  const auto rows = rows_of<const float>(dy);
  for_blocks(
      stream, grads, 1, [](Pixels) {}, [&](Pixels some, float*) { return rows.row(some.begin); });
}

}  // namespace boxcar::kernels
#endif
