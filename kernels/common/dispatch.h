// From an op's checked arguments to the code for the stream's device and the tensors' type.
#pragma once

#include <type_traits>

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

/// Calls cpu::op(stream, args...) or cuda::op(stream, args...), timed where the stream has a profiler.
#if BOXCAR_WITH_CUDA
#define BOXCAR_DISPATCH(stream, op, ...)                                                                              \
  ::boxcar::kernels::timed(                                                                                           \
      (stream), #op,                                                                                                  \
      [&] { return (stream).device().is_cuda() ? cuda::op((stream), __VA_ARGS__) : cpu::op((stream), __VA_ARGS__); }, \
      __VA_ARGS__)
#else
#define BOXCAR_DISPATCH(stream, op, ...) \
  ::boxcar::kernels::timed((stream), #op, [&] { return cpu::op((stream), __VA_ARGS__); }, __VA_ARGS__)
#endif

/// For ops without a CUDA kernel: refuses a CUDA stream by name.
#define BOXCAR_DISPATCH_CPU(stream, op, ...)      \
  (::boxcar::kernels::require_cpu((stream), #op), \
   ::boxcar::kernels::timed((stream), #op, [&] { return cpu::op((stream), __VA_ARGS__); }, __VA_ARGS__))

namespace boxcar::kernels {

inline void require_cpu(const Stream& stream, const char* op) {
  if (stream.device().is_cuda()) {
    fail<DeviceError>("{} has no CUDA kernel yet; use device=cpu", op);
  }
}

/// run(), as one op in the stream's profile with the cost of its first argument; in a dry run only the latter.
template <class Run, class Args, class... Rest>
auto timed(Stream& stream, const char* name, Run&& run, const Args& args, const Rest&...) {
  Profiler* const profiler = stream.profiler();
  const ProfileScope scope(profiler, ScopeKind::kOp, name, profiler ? cost_of(args) : OpCost{});
  if constexpr (std::is_void_v<decltype(run())>) {
    if (!stream.dry_run()) run();
  } else {
    if (stream.dry_run()) fail<DeviceError>("{} gives its result to the host, which a dry run cannot do", name);
    return run();
  }
}

/// Calls f(T{}) with T = float or bfloat16.
template <class F>
void with_float_type(const char* op, DType dtype, F&& f) {
  switch (dtype) {
    case DType::kF32:
      f(float{});
      break;
    case DType::kBF16:
      f(bfloat16{});
      break;
    default:
      fail<ShapeError>("{} works on f32 and bf16, not {}", op, name_of(dtype));
  }
}

/// Throws ShapeError naming the op and both shapes.
void check_same_shape(const char* op, const TensorView& a, const TensorView& b);
void check_same_dtype(const char* op, const TensorView& a, const TensorView& b);
void check_packed(const char* op, const char* what, const TensorView& x);

}  // namespace boxcar::kernels
