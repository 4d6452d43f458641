#include "boxcar/kernels/resample/upsample.h"

#include <algorithm>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {

void upsample_forward(Stream& stream, const UpsampleForwardArgs& args) {
  const int f = args.factor;
  const int out_h = args.x.h * f, out_w = args.x.w * f;
  with_float_type("upsample_forward", args.x.dtype, [&]<class T>(T) {
    const auto x = rows_of<const T>(args.x);
    parallel_for(stream.threads(), std::int64_t{args.x.n} * out_h, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t n = i / out_h, oy = i % out_h;
        for (int ox = 0; ox < out_w; ++ox) {
          const T* from = x.row((n * args.x.h + oy / f) * args.x.w + ox / f);
          for (const Destination& d : args.to) {
            std::copy_n(from + d.of.first, d.of.count, rows_of<T>(d.to).row(i * out_w + ox));
          }
        }
      }
    });
  });
}

void upsample_backward(Stream& stream, const UpsampleBackwardArgs& args) {
  const int f = args.factor;
  with_float_type("upsample_backward", args.dx.dtype, [&]<class T>(T) {
    const auto dx = rows_of<T>(args.dx);
    parallel_for(stream.threads(), args.dx.pixels(), 64, [&](std::int64_t begin, std::int64_t end) {
      std::pmr::vector<float> sum(static_cast<std::size_t>(args.dx.c), stream.scratch());
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t ix = i % args.dx.w, image_row = i / args.dx.w;
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (const GradPiece& piece : args.from) {
          for (int tap = 0; tap < f * f; ++tap) {
            const T* g = rows_of<const T>(piece.from).row((image_row * f + tap / f) * args.dx.w * f + ix * f + tap % f);
            for (int c = 0; c < piece.of.count; ++c) sum[static_cast<std::size_t>(piece.of.first + c)] += float(g[c]);
          }
        }
        for (int c = 0; c < args.dx.c; ++c) dx(i, c) = T(sum[static_cast<std::size_t>(c)]);
      }
    });
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void upsample_forward(Stream& stream, const UpsampleForwardArgs& args);
void upsample_backward(Stream& stream, const UpsampleBackwardArgs& args);
}  // namespace cuda
#endif

namespace {

void check_enlarged(const char* op, const TensorView& small, Range of, const TensorView& large, int factor) {
  if (factor < 1 || large.n != small.n || large.h != small.h * factor || large.w != small.w * factor ||
      large.c != of.count || of.first < 0 || of.first + of.count > small.c) {
    fail<ShapeError>("{}: {} is not {} enlarged {} times", op, large.shape().str(), small.shape().str(), factor);
  }
  check_same_dtype(op, small, large);
}

}  // namespace

void upsample_forward(Stream& stream, const UpsampleForwardArgs& args) {
  for (const Destination& d : args.to) check_enlarged("upsample_forward", args.x, d.of, d.to, args.factor);
  BOXCAR_DISPATCH(stream, upsample_forward, args);
}

void upsample_backward(Stream& stream, const UpsampleBackwardArgs& args) {
  check_packed("upsample_backward", "dx", args.dx);
  for (const GradPiece& piece : args.from)
    check_enlarged("upsample_backward", args.dx, piece.of, piece.from, args.factor);
  BOXCAR_DISPATCH(stream, upsample_backward, args);
}

OpCost cost_of(const UpsampleForwardArgs& args) {
  OpCost cost{bytes_of(args.x), 0};
  for (const Destination& d : args.to) cost.bytes += bytes_of(d.to);
  return cost;
}

OpCost cost_of(const UpsampleBackwardArgs& args) {
  OpCost cost{bytes_of(args.dx), 0};
  for (const GradPiece& piece : args.from) cost.bytes += bytes_of(piece.from);
  return cost;
}

}  // namespace boxcar::kernels
