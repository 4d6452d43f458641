#include "boxcar/kernels/loss/decode.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/loss/decode_rows.h"
#include "boxcar/kernels/loss/distance_math.h"

namespace boxcar::kernels {
namespace {

constexpr const char* kOp = "decode_predictions";

}  // namespace

namespace cpu {

void decode_predictions(Stream& stream, const DecodePredictionsArgs& args) {
  const DetectionMaps maps(kOp, args.levels, args.reg_max);
  const std::int64_t anchors = maps.grid().count();
  const int nc = maps.classes(), columns = 4 + nc;
  constexpr std::int64_t kGrain = 64;  // anchors; less is not worth a thread
  parallel_for(stream.threads(), maps.images() * anchors, kGrain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const int image = static_cast<int>(i / anchors);
      const AnchorPoint p = maps.grid().point(i % anchors);
      float* row = args.to.as<float>() + i * columns;
      const BoxF b = maps.box_in_cells(image, p);
      const BoxF pixels{b.x1 * p.stride, b.y1 * p.stride, b.x2 * p.stride, b.y2 * p.stride};
      for (int k = 0; k < 4; ++k) row[k] = box_column(pixels, args.format, k);
      sigmoids(maps.logits(image, p), nc, row + 4);
    }
  });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void decode_predictions(Stream& stream, const DecodePredictionsArgs& args);
}  // namespace cuda
#endif

void decode_predictions(Stream& stream, const DecodePredictionsArgs& args) {
  const DetectionMaps maps(kOp, args.levels, args.reg_max);
  const int anchors = static_cast<int>(maps.grid().count()), columns = 4 + maps.classes();
  check_same_shape(kOp, args.to, {nullptr, DType::kF32, maps.images(), 1, anchors, columns});
  check_same_dtype(kOp, args.to, args.levels[0].cls_logits);
  check_packed(kOp, "result", args.to);
  BOXCAR_DISPATCH(stream, decode_predictions, args);
}

}  // namespace boxcar::kernels
