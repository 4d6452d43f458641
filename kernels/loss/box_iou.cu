#include "boxcar/kernels/loss/box_iou.h"

#include "boxcar/kernels/common/launch.h"
#include "boxcar/kernels/common/rows.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

BOXCAR_DEVICE std::int64_t thread_index() { return std::int64_t{blockIdx.x} * kThreads + threadIdx.x; }
BOXCAR_DEVICE BoxF box_at(const float* p) { return {p[0], p[1], p[2], p[3]}; }

// A thread owns a pair of boxes.
__global__ void __launch_bounds__(kThreads)
    box_iou_kernel(IouKind kind, Rows<const float> a, Rows<const float> b, Rows<float> y, std::int64_t rows) {
  const std::int64_t r = thread_index();
  if (r < rows) y(r, 0) = iou(kind, box_at(a.row(r)), box_at(b.row(r)));
}

BOXCAR_DEVICE void write_gradient(IouKind kind, const BoxF& of, const BoxF& other, float dy, float* to) {
  const BoxF g = iou_gradient(kind, of, other, dy);
  to[0] = g.x1, to[1] = g.y1, to[2] = g.x2, to[3] = g.y2;
}

// A thread owns a pair of boxes and the gradient of each that is wanted.
__global__ void __launch_bounds__(kThreads)
    box_iou_backward_kernel(IouKind kind, Rows<const float> a, Rows<const float> b, Rows<const float> dy,
                            Rows<float> da, Rows<float> db, std::int64_t rows) {
  const std::int64_t r = thread_index();
  if (r >= rows) return;
  const BoxF first = box_at(a.row(r)), second = box_at(b.row(r));
  if (da.data) write_gradient(kind, first, second, dy(r, 0), da.row(r));
  if (db.data) write_gradient(kind, second, first, dy(r, 0), db.row(r));
}

}  // namespace

void box_iou(Stream& stream, const BoxIouArgs& args) {
  const std::int64_t rows = args.a.pixels();
  launch("box_iou", box_iou_kernel, grid_for(rows, kThreads), stream, args.kind, rows_of<const float>(args.a),
         rows_of<const float>(args.b), rows_of<float>(args.y), rows);
}

void box_iou_backward(Stream& stream, const BoxIouBackwardArgs& args) {
  const std::int64_t rows = args.a.pixels();
  launch("box_iou_backward", box_iou_backward_kernel, grid_for(rows, kThreads), stream, args.kind,
         rows_of<const float>(args.a), rows_of<const float>(args.b), rows_of<const float>(args.dy),
         rows_of<float>(args.da), rows_of<float>(args.db), rows);
}

}  // namespace boxcar::kernels::cuda
