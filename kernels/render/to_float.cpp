#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/render/to_float.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include "boxcar/kernels/common/simd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

template <class T>
void convert(const std::uint8_t* x, std::int64_t count, T* y) {
  for_vectors(count, [&](auto d, std::int64_t i) HWY_ATTR {
    const hn::Rebind<std::uint8_t, decltype(d)> d8;
    const hn::RebindToSigned<decltype(d)> di;
    const auto value = hn::ConvertTo(d, hn::PromoteTo(di, hn::LoadU(d8, x + i)));
    store(hn::Div(value, hn::Set(d, 255.0f)), d, y + i);
  });
}

}  // namespace

void bytes_to_f32(const std::uint8_t* x, std::int64_t count, float* y) { convert(x, count, y); }
void bytes_to_bf16(const std::uint8_t* x, std::int64_t count, bfloat16* y) { convert(x, count, y); }

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {
HWY_EXPORT(bytes_to_f32);
HWY_EXPORT(bytes_to_bf16);
}  // namespace

namespace cpu {

void images_to_float(Stream& stream, const ImagesToFloatArgs& args) {
  constexpr std::int64_t kGrain = 1 << 14;
  const std::uint8_t* x = args.x.as<std::uint8_t>();
  parallel_for(stream.threads(), args.x.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (args.y.dtype == DType::kF32) {
      HWY_DYNAMIC_DISPATCH(bytes_to_f32)(x + begin, end - begin, args.y.as<float>() + begin);
    } else {
      HWY_DYNAMIC_DISPATCH(bytes_to_bf16)(x + begin, end - begin, args.y.as<bfloat16>() + begin);
    }
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void images_to_float(Stream& stream, const ImagesToFloatArgs& args);
}
#endif

void images_to_float(Stream& stream, const ImagesToFloatArgs& args) {
  check_same_shape("images_to_float", args.x, args.y);
  check_packed("images_to_float", "x", args.x);
  check_packed("images_to_float", "y", args.y);
  if (args.x.dtype != DType::kU8) fail<ShapeError>("images_to_float: x is {}, not u8", name_of(args.x.dtype));
  with_float_type("images_to_float", args.y.dtype, [](auto) {});  // refuses other types
  BOXCAR_DISPATCH(stream, images_to_float, args);
}

}  // namespace boxcar::kernels
#endif
