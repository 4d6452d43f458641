#include "boxcar/kernels/assign/assign.h"

#include "boxcar/kernels/assign/dense_rows.h"
#include "boxcar/kernels/common/dispatch.h"

namespace boxcar::kernels {
namespace {

constexpr const char *kDetectionAssign = "detection_assign", *kTaskAlignedAssign = "task_aligned_assign";

void check_result(const char* op, const char* what, const TensorView& view, const Shape& wanted, DType dtype) {
  if (view.data == nullptr) return;
  if (view.shape() != wanted || view.dtype != dtype) {
    fail<ShapeError>("{}: {} is {} {}, but {} {} is wanted", op, what, name_of(view.dtype), view.shape().str(),
                     name_of(dtype), wanted.str());
  }
  check_packed(op, what, view);
}

void check_results(const char* op, const AssignResult& r, int n, std::int64_t anchors, int nc) {
  const auto table = [&](int columns) { return Shape{n, 1, static_cast<int>(anchors), columns}; };
  check_result(op, "target_boxes", r.target_boxes, table(4), DType::kF32);
  check_result(op, "target_scores", r.target_scores, table(nc), DType::kF32);
  check_result(op, "weight", r.weight, table(1), DType::kF32);
  check_result(op, "target_ltrb", r.target_ltrb, table(4), DType::kF32);
  check_result(op, "labels", r.labels, table(1), DType::kI32);
  check_result(op, "foreground", r.foreground, table(1), DType::kU8);
  check_result(op, "gt_index", r.gt_index, table(1), DType::kI32);
  check_result(op, "norm", r.norm, {1, 1, 1, 1}, DType::kF32);
}

/// Writes one image's rows of the dense result.
class DenseWriter {
 public:
  DenseWriter(const AssignResult& r, const AnchorGrid& grid, int image, int nc)
      : rows_(dense_rows_of(r)),
        scores_(r.target_scores.as<float>()),
        grid_(grid),
        nc_(nc),
        first_(image * grid.count()) {}

  void background(std::int64_t anchor, const GroundTruth& first) const {
    rows_.put(first_ + anchor, grid_.point(anchor), {first});
  }
  void match(const AnchorMatch& m, const GroundTruth& truth) const {
    rows_.put(first_ + m.anchor, grid_.point(m.anchor), {truth, m.gt, m.score, true});
    if (scores_) scores_[(first_ + m.anchor) * nc_ + truth.label] = m.score;
  }

 private:
  DenseRows rows_;
  float* scores_;
  const AnchorGrid& grid_;
  int nc_;
  std::int64_t first_;
};

/// Assigns every image and writes the dense tables. prediction(image, anchor, label) asks the model.
template <class F>
void assign_all(Stream& stream, const AnchorGrid& grid, const GroundTruths& truths, int nc,
                const AssignOptions& options, const AssignResult& result, F&& prediction) {
  const auto images = static_cast<std::int64_t>(truths.size());
  std::pmr::vector<double> sums(truths.size(), 0.0, stream.scratch());
  if (result.target_scores.data) {
    stream.fill(result.target_scores.data, 0, static_cast<std::size_t>(result.target_scores.count()) * sizeof(float));
  }
  parallel_for(stream.threads(), images, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image) {
      const auto& rows = truths[image];
      const DenseWriter writer(result, grid, static_cast<int>(image), nc);
      const GroundTruth first = rows.empty() ? GroundTruth{} : rows.front();
      for (std::int64_t a = 0; a < grid.count(); ++a) writer.background(a, first);
      const auto ask = [&](std::int64_t anchor, int label) { return prediction(image, anchor, label); };
      for (const AnchorMatch& m : assign_image(grid, rows, options, ask, stream.scratch())) {
        writer.match(m, rows[m.gt]);
        sums[image] += double{m.score};
      }
    }
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  if (result.norm.data) *result.norm.as<float>() = static_cast<float>(total < 1.0 ? 1.0 : total);
}

}  // namespace

namespace cpu {

void detection_assign(Stream& stream, const DetectionAssignArgs& args) {
  const DetectionMaps maps(kDetectionAssign, args.levels, args.reg_max);
  const auto truths =
      read_targets(stream, kDetectionAssign, args.targets, maps.images(), maps.classes(), maps.grid(), true);
  assign_all(stream, maps.grid(), truths, maps.classes(), args.options, args.result,
             [&](std::int64_t image, std::int64_t anchor, int label) {
               return maps.prediction(static_cast<int>(image), anchor, label);
             });
}

void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args) {
  const int n = args.probabilities.n, nc = args.probabilities.c;
  const std::int64_t anchors = args.grid.count();
  const auto truths = read_targets(stream, kTaskAlignedAssign, args.targets, n, nc, args.grid, false);
  const float* boxes = args.boxes_xyxy.as<const float>();
  const float* probabilities = args.probabilities.as<const float>();
  assign_all(stream, args.grid, truths, nc, args.options, args.result,
             [&](std::int64_t image, std::int64_t anchor, int label) {
               const std::int64_t i = image * anchors + anchor;
               const float* b = boxes + 4 * i;
               return AnchorPrediction{{b[0], b[1], b[2], b[3]}, probabilities[i * nc + label]};
             });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void detection_assign(Stream& stream, const DetectionAssignArgs& args);
void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args);
}  // namespace cuda
#endif

void detection_assign(Stream& stream, const DetectionAssignArgs& args) {
  const char* op = kDetectionAssign;
  const DetectionMaps maps(op, args.levels, args.reg_max);
  check_options(op, args.options);
  check_targets(op, args.targets);
  check_results(op, args.result, maps.images(), maps.grid().count(), maps.classes());
  BOXCAR_DISPATCH(stream, detection_assign, args);
}

void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args) {
  const char* op = kTaskAlignedAssign;
  const int n = args.probabilities.n, nc = args.probabilities.c;
  const int anchors = static_cast<int>(args.grid.count());
  if (args.boxes_xyxy.data == nullptr || args.probabilities.data == nullptr || anchors == 0) {
    fail<ShapeError>("{}: boxes, probabilities and at least one level are needed", op);
  }
  check_result(op, "boxes_xyxy", args.boxes_xyxy, {n, 1, anchors, 4}, DType::kF32);
  check_result(op, "probabilities", args.probabilities, {n, 1, anchors, nc}, DType::kF32);
  check_options(op, args.options);
  check_targets(op, args.targets);
  check_results(op, args.result, n, anchors, nc);
  BOXCAR_DISPATCH(stream, task_aligned_assign, args);
}

}  // namespace boxcar::kernels
