#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/common/copy.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

template <class From, class To>
void copy_range(const CopyArgs& args, std::int64_t begin, std::int64_t end) {
  const auto from = rows_of<const From>(args.from);
  const auto to = rows_of<To>(args.to);
  if (args.from.packed() && args.to.packed())
    return copy_row(from.row(begin), (end - begin) * args.from.c, to.row(begin));
  for (std::int64_t r = begin; r < end; ++r) copy_row(from.row(r), args.from.c, to.row(r));
}

}  // namespace

void copy_rows(const CopyArgs& args, std::int64_t begin, std::int64_t end) {
  const bool from_f32 = args.from.dtype == DType::kF32, to_f32 = args.to.dtype == DType::kF32;
  if (from_f32)
    return to_f32 ? copy_range<float, float>(args, begin, end) : copy_range<float, bfloat16>(args, begin, end);
  to_f32 ? copy_range<bfloat16, float>(args, begin, end) : copy_range<bfloat16, bfloat16>(args, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {
HWY_EXPORT(copy_rows);
}

namespace cpu {

void copy(Stream& stream, const CopyArgs& args) {
  parallel_for(stream.threads(), args.from.pixels(), 256, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(copy_rows)(args, begin, end);
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void copy(Stream& stream, const CopyArgs& args);
}
#endif

void copy(Stream& stream, const CopyArgs& args) {
  check_same_shape("copy", args.from, args.to);
  with_float_type("copy", args.from.dtype, [](auto) {});  // refuses other types
  with_float_type("copy", args.to.dtype, [](auto) {});
  BOXCAR_DISPATCH(stream, copy, args);
}

}  // namespace boxcar::kernels
#endif
