#include "boxcar/kernels/loss/box_iou.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/elementwise/strided.h"

namespace boxcar::kernels {
namespace {

void check(const TensorView& a, const TensorView& b, const TensorView& y) {
  check_same_shape("iou", a, b);
  if (a.c != 4 || y.c != 1 || y.n != a.n || y.h != a.h || y.w != a.w || a.dtype != DType::kF32 ||
      b.dtype != DType::kF32 || y.dtype != DType::kF32) {
    fail<ShapeError>("iou: boxes {} and a result {}; wanted are f32 [n,h,w,4] and [n,h,w,1]", a.shape().str(),
                     y.shape().str());
  }
}

BoxF box_at(const float* p) { return {p[0], p[1], p[2], p[3]}; }

void write_gradient(IouKind kind, const BoxF& of, const BoxF& other, float dy, float* to) {
  const BoxF g = iou_gradient(kind, of, other, dy);
  to[0] = g.x1, to[1] = g.y1, to[2] = g.x2, to[3] = g.y2;
}

}  // namespace

namespace cpu {

void box_iou(Stream& stream, const BoxIouArgs& args) {
  const Strided a = strided(args.a), b = strided(args.b), y = strided(args.y);
  for_each_pixel(stream, args.a.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    *y.pixel(n, h, w) = iou(args.kind, box_at(a.pixel(n, h, w)), box_at(b.pixel(n, h, w)));
  });
}

void box_iou_backward(Stream& stream, const BoxIouBackwardArgs& args) {
  const Strided a = strided(args.a), b = strided(args.b), dy = strided(args.dy);
  const Strided da = strided(args.da), db = strided(args.db);
  for_each_pixel(stream, args.a.shape(), [&](std::int64_t n, std::int64_t h, std::int64_t w) {
    const BoxF first = box_at(a.pixel(n, h, w)), second = box_at(b.pixel(n, h, w));
    const float g = *dy.pixel(n, h, w);
    if (da.data) write_gradient(args.kind, first, second, g, da.pixel(n, h, w));
    if (db.data) write_gradient(args.kind, second, first, g, db.pixel(n, h, w));
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void box_iou(Stream& stream, const BoxIouArgs& args);
void box_iou_backward(Stream& stream, const BoxIouBackwardArgs& args);
}  // namespace cuda
#endif

void box_iou(Stream& stream, const BoxIouArgs& args) {
  check(args.a, args.b, args.y);
  BOXCAR_DISPATCH(stream, box_iou, args);
}

void box_iou_backward(Stream& stream, const BoxIouBackwardArgs& args) {
  check(args.a, args.b, args.dy);
  for (const TensorView& d : {args.da, args.db}) {
    if (d.data) check_same_shape("iou_backward", args.a, d);
  }
  BOXCAR_DISPATCH(stream, box_iou_backward, args);
}

}  // namespace boxcar::kernels
