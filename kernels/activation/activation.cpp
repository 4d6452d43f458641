#include "boxcar/kernels/activation/activation.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

constexpr std::int64_t kGrain = 1 << 14;  // elements; less is not worth a thread

std::int64_t row_grain(std::int64_t channels) { return kGrain / (channels + 1) + 1; }

}  // namespace

void activation_forward(Stream& stream, const ActivationForwardArgs& args) {
  with_float_type("activation_forward", args.x.dtype, [&]<class T>(T) {
    const auto x = rows_of<const T>(args.x);
    const auto y = rows_of<T>(args.y);
    const std::int64_t channels = args.x.c;
    parallel_for(stream.threads(), args.x.pixels(), row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        for (std::int64_t c = 0; c < channels; ++c) y(r, c) = T(activate(args.act, float(x(r, c))));
      }
    });
  });
}

void activation_backward(Stream& stream, const ActivationBackwardArgs& args) {
  with_float_type("activation_backward", args.x.dtype, [&]<class T>(T) {
    const auto x = rows_of<const T>(args.x);
    const auto dy = rows_of<const T>(args.dy);
    const auto dx = rows_of<T>(args.dx);
    const std::int64_t channels = args.x.c;
    const bool add = args.mode == GradMode::kAdd;
    parallel_for(stream.threads(), args.x.pixels(), row_grain(channels), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t r = begin; r < end; ++r) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const float g = float(dy(r, c)) * activate_grad(args.act, float(x(r, c)));
          dx(r, c) = T(add ? float(dx(r, c)) + g : g);
        }
      }
    });
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void activation_forward(Stream& stream, const ActivationForwardArgs& args);
void activation_backward(Stream& stream, const ActivationBackwardArgs& args);
}  // namespace cuda
#endif

void activation_forward(Stream& stream, const ActivationForwardArgs& args) {
  check_same_shape("activation_forward", args.x, args.y);
  check_same_dtype("activation_forward", args.x, args.y);
  BOXCAR_DISPATCH(stream, activation_forward, args);
}

void activation_backward(Stream& stream, const ActivationBackwardArgs& args) {
  for (const TensorView& other : {args.dy, args.dx}) {
    check_same_shape("activation_backward", args.x, other);
    check_same_dtype("activation_backward", args.x, other);
  }
  BOXCAR_DISPATCH(stream, activation_backward, args);
}

}  // namespace boxcar::kernels
