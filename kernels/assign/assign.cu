#include "boxcar/kernels/assign/assign.h"

#include "boxcar/kernels/assign/dense_rows.h"
#include "boxcar/kernels/assign/device_assigner.h"
#include "boxcar/kernels/loss/decode_device.h"

namespace boxcar::kernels::cuda {
namespace {

constexpr unsigned kThreads = 256;

// A thread owns a place: its rows of the dense result. The scores of classes were cleared before.
__global__ void __launch_bounds__(kThreads) write_dense_kernel(AnchorPlaces places, Assignment tables, DenseRows rows,
                                                               float* scores, int classes, float* norm) {
  const std::int64_t place = std::int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (place >= places.count()) return;
  const AnchorPlaces::Anchor anchor = places.anchor(place);
  const AnchorPoint& p = anchor.point;
  const std::int64_t row = anchor.image * places.grid.count() + places.grid.levels()[p.level].first + p.cell;
  const std::int32_t holder = tables.holder[place], first = tables.first[anchor.image];
  AnchorTarget target;
  if (holder >= 0) {
    target = {tables.truths[holder], holder - first, tables.score[place], true};
    if (scores) scores[row * classes + target.truth.label] = target.score;
  } else if (first < tables.first[anchor.image + 1]) {
    target.truth = tables.truths[first];
  }
  rows.put(row, p, target);
  if (norm && place == 0) *norm = static_cast<float>(tables.norm[0]);
}

template <class Predictions>
void assign(Stream& stream, const AnchorPlaces& places, const TargetTable& targets, const AssignOptions& options,
            const Predictions& predictions, const AssignResult& result) {
  const AssignmentMemory memory(stream, places, targets.count);
  assign_anchors(stream, places, targets, options, predictions, memory.tables());
  if (result.target_scores.data) {
    stream.fill(result.target_scores.data, 0, static_cast<std::size_t>(result.target_scores.count()) * sizeof(float));
  }
  launch("write_dense", write_dense_kernel, grid_for(places.count(), kThreads), stream, places, memory.tables(),
         dense_rows_of(result), result.target_scores.as<float>(), predictions.classes, result.norm.as<float>());
}

}  // namespace

void detection_assign(Stream& stream, const DetectionAssignArgs& args) {
  const DetectionMaps maps("detection_assign", args.levels, args.reg_max);
  const AnchorPlaces places = places_of(maps);
  const Tensor boxes = box_memory(stream, places);
  decode_boxes(stream, maps, boxes.as());
  assign(stream, places, {args.targets.as<const float>(), args.targets.w, true}, args.options,
         RawPredictions{boxes.as(), logit_maps_of(maps), maps.classes()}, args.result);
}

void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args) {
  assign(
      stream, {args.grid, args.probabilities.n}, {args.targets.as<const float>(), args.targets.w, false}, args.options,
      TablePredictions{args.boxes_xyxy.as<const float>(), args.probabilities.as<const float>(), args.probabilities.c},
      args.result);
}

}  // namespace boxcar::kernels::cuda
