#include "boxcar/kernels/loss/decode.h"

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/loss/distance_math.h"

namespace boxcar::kernels {
namespace {

void write_box(const BoxF& cells, float stride, BoxFormat format, float* to) {
  const BoxF b{cells.x1 * stride, cells.y1 * stride, cells.x2 * stride, cells.y2 * stride};
  if (format == BoxFormat::kCorners) {
    to[0] = b.x1, to[1] = b.y1, to[2] = b.x2, to[3] = b.y2;
  } else {
    to[0] = (b.x1 + b.x2) / 2, to[1] = (b.y1 + b.y2) / 2, to[2] = b.x2 - b.x1, to[3] = b.y2 - b.y1;
  }
}

}  // namespace

namespace cpu {

void decode_predictions(Stream& stream, const DecodePredictionsArgs& args) {
  const char* op = "decode_predictions";
  const DetectionMaps maps(op, args.levels, args.reg_max);
  const std::int64_t anchors = maps.grid().count();
  const int nc = maps.classes(), columns = 4 + nc;
  check_same_shape(op, args.to, {nullptr, DType::kF32, maps.images(), 1, static_cast<int>(anchors), columns});
  check_same_dtype(op, args.to, args.levels[0].cls_logits);
  check_packed(op, "result", args.to);
  constexpr std::int64_t kGrain = 64;  // anchors; less is not worth a thread
  parallel_for(stream.threads(), maps.images() * anchors, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const int image = static_cast<int>(i / anchors);
      const AnchorPoint p = maps.grid().point(i % anchors);
      float* row = args.to.as<float>() + i * columns;
      write_box(maps.box_in_cells(image, p), p.stride, args.format, row);
      const float* logits = maps.logits(image, p);
      for (int k = 0; k < nc; ++k) row[4 + k] = sigmoid(logits[k]);
    }
  });
}

}  // namespace cpu

void decode_predictions(Stream& stream, const DecodePredictionsArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, decode_predictions, args);
}

}  // namespace boxcar::kernels
