#include "boxcar/kernels/elementwise/rearrange.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/rearrange_strided.h"

namespace boxcar::kernels {
namespace {

void check_f32(const char* op, const TensorView& view) {
  if (view.dtype != DType::kF32) fail<ShapeError>("{} works on f32, not {}", op, name_of(view.dtype));
}

void copy_strided(Stream& stream, const Strided& from, const Strided& to) {
  const Shape shape = shape_of(to.size);
  for_each_pixel(stream, shape, [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const float* x = from.pixel(n, h, w);
    float* y = to.pixel(n, h, w);
    for (int c = 0; c < shape.c; ++c) y[c * to.stride[3]] = x[c * from.stride[3]];
  });
}

void check_slice(const SliceArgs& args) {
  check_f32("slice", args.of);
  check_f32("slice", args.part);
  const std::array<int, 4> whole = sizes_of(args.of.shape()), part = sizes_of(args.part.shape());
  for (int axis = 0; axis < 4; ++axis) {
    if (args.begin[axis] < 0 || args.begin[axis] > whole[axis] - part[axis]) {
      fail<ShapeError>("slice: {} elements from {} on along axis {} do not lie in {}", part[axis], args.begin[axis],
                       axis, args.of.shape().str());
    }
  }
}

void check_permutation(const PermuteArgs& args) {
  check_f32("permute", args.from);
  check_f32("permute", args.to);
  const std::array<int, 4> from = sizes_of(args.from.shape()), to = sizes_of(args.to.shape());
  int seen = 0;
  bool fits = true;
  for (int i = 0; i < 4; ++i) {
    const int axis = args.axes[i];
    if (axis < 0 || axis > 3) fail<ShapeError>("permute: axis {} is not one of 0..3", axis);
    seen |= 1 << axis;
    fits &= from[axis] == to[i];
  }
  if (seen != 15 || !fits) {
    fail<ShapeError>("permute: axes {},{},{},{} do not take {} to {}", args.axes[0], args.axes[1], args.axes[2],
                     args.axes[3], args.from.shape().str(), args.to.shape().str());
  }
}

void check_gather(const TensorView& x, const TensorView& rows, const TensorView& y) {
  check_f32("gather", x);
  check_f32("gather", y);
  const Shape wanted{x.n, x.h, rows.w, 1}, result{x.n, x.h, rows.w, x.c};
  if (rows.shape() != wanted || rows.dtype != DType::kI32 || !rows.packed() || y.shape() != result) {
    fail<ShapeError>("gather: rows {} {} of {} into {}; wanted are i32 rows [n,h,K,1] and a result [n,h,K,c]",
                     name_of(rows.dtype), rows.shape().str(), x.shape().str(), y.shape().str());
  }
}

void check_rows(const TensorView& rows, int table) {
  for (std::int64_t i = 0; i < rows.count(); ++i) {
    const std::int32_t row = rows.as<const std::int32_t>()[i];
    if (row < 0 || row >= table) fail<ShapeError>("gather: row {} of a table of {} rows", row, table);
  }
}

}  // namespace

namespace cpu {

void permute(Stream& stream, const PermuteArgs& args) { copy_strided(stream, turned(args), strided(args.to)); }

void slice_out(Stream& stream, const SliceArgs& args) { copy_strided(stream, sliced(args), strided(args.part)); }

void slice_in(Stream& stream, const SliceArgs& args) { copy_strided(stream, strided(args.part), sliced(args)); }

void gather(Stream& stream, const GatherArgs& args) {
  check_rows(args.rows, args.x.w);
  const Strided x = strided(args.x), y = strided(args.y);
  const auto* rows = args.rows.as<const std::int32_t>();
  for_each_pixel(stream, args.y.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t k) {
    const float* from = x.pixel(n, h, rows[(n * args.x.h + h) * args.rows.w + k]);
    std::copy_n(from, args.x.c, y.pixel(n, h, k));
  });
}

void gather_backward(Stream& stream, const GatherBackwardArgs& args) {
  check_rows(args.rows, args.dx.w);
  const Strided dx = strided(args.dx), dy = strided(args.dy);
  const auto* rows = args.rows.as<const std::int32_t>();
  parallel_for(stream.threads(), std::int64_t{args.dx.n} * args.dx.h, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t n = i / args.dx.h, h = i % args.dx.h;
      for (int w = 0; w < args.dx.w; ++w) std::fill_n(dx.pixel(n, h, w), args.dx.c, 0.0f);
      for (int k = 0; k < args.rows.w; ++k) {
        const float* g = dy.pixel(n, h, k);
        float* to = dx.pixel(n, h, rows[i * args.rows.w + k]);
        for (int c = 0; c < args.dx.c; ++c) to[c] += g[c];
      }
    }
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void permute(Stream& stream, const PermuteArgs& args);
void slice_out(Stream& stream, const SliceArgs& args);
void slice_in(Stream& stream, const SliceArgs& args);
void gather(Stream& stream, const GatherArgs& args);
void gather_backward(Stream& stream, const GatherBackwardArgs& args);
}  // namespace cuda
#endif

void permute(Stream& stream, const PermuteArgs& args) {
  check_permutation(args);
  BOXCAR_DISPATCH(stream, permute, args);
}

void slice_out(Stream& stream, const SliceArgs& args) {
  check_slice(args);
  BOXCAR_DISPATCH(stream, slice_out, args);
}

void slice_in(Stream& stream, const SliceArgs& args) {
  check_slice(args);
  BOXCAR_DISPATCH(stream, slice_in, args);
}

void gather(Stream& stream, const GatherArgs& args) {
  check_gather(args.x, args.rows, args.y);
  BOXCAR_DISPATCH(stream, gather, args);
}

void gather_backward(Stream& stream, const GatherBackwardArgs& args) {
  check_gather(args.dx, args.rows, args.dy);
  BOXCAR_DISPATCH(stream, gather_backward, args);
}

}  // namespace boxcar::kernels
