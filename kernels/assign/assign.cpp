#include "boxcar/kernels/assign/assign.h"

#include <algorithm>

#include "boxcar/kernels/common/dispatch.h"

namespace boxcar::kernels {
namespace {

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
      : r_(r), grid_(grid), nc_(nc), first_(image * grid.count()) {}

  void background(std::int64_t anchor, const GroundTruth& first) const { put(anchor, first, 0, 0.0f, 0); }
  void match(const AnchorMatch& m, const GroundTruth& truth) const {
    put(m.anchor, truth, m.gt, m.score, 1);
    if (r_.target_scores.data) r_.target_scores.as<float>()[(first_ + m.anchor) * nc_ + truth.label] = m.score;
  }

 private:
  void put(std::int64_t anchor, const GroundTruth& truth, int gt, float score, std::uint8_t foreground) const {
    const std::int64_t i = first_ + anchor;
    const BoxF& b = truth.box;
    if (r_.target_boxes.data) put_box(r_.target_boxes.as<float>() + 4 * i, b);
    if (r_.weight.data) r_.weight.as<float>()[i] = score;
    if (r_.labels.data) r_.labels.as<std::int32_t>()[i] = truth.label;
    if (r_.foreground.data) r_.foreground.as<std::uint8_t>()[i] = foreground;
    if (r_.gt_index.data) r_.gt_index.as<std::int32_t>()[i] = gt;
    if (!r_.target_ltrb.data) return;
    const AnchorPoint p = grid_.point(anchor);
    const float s = p.stride;
    put_box(r_.target_ltrb.as<float>() + 4 * i, {p.x - b.x1 / s, p.y - b.y1 / s, b.x2 / s - p.x, b.y2 / s - p.y});
  }
  static void put_box(float* to, const BoxF& b) { to[0] = b.x1, to[1] = b.y1, to[2] = b.x2, to[3] = b.y2; }

  const AssignResult& r_;
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
  if (result.norm.data) *result.norm.as<float>() = static_cast<float>(std::max(1.0, total));
}

}  // namespace

namespace cpu {

void detection_assign(Stream& stream, const DetectionAssignArgs& args) {
  const char* op = "detection_assign";
  const DetectionMaps maps(op, args.levels, args.reg_max);
  check_options(op, args.options);
  check_results(op, args.result, maps.images(), maps.grid().count(), maps.classes());
  const auto truths = read_targets(stream, op, args.targets, maps.images(), maps.classes(), maps.grid(), true);
  assign_all(stream, maps.grid(), truths, maps.classes(), args.options, args.result,
             [&](std::int64_t image, std::int64_t anchor, int label) {
               return maps.prediction(static_cast<int>(image), anchor, label);
             });
}

void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args) {
  const char* op = "task_aligned_assign";
  const int n = args.probabilities.n, nc = args.probabilities.c;
  const int anchors = static_cast<int>(args.grid.count());
  if (args.boxes_xyxy.data == nullptr || args.probabilities.data == nullptr || anchors == 0) {
    fail<ShapeError>("{}: boxes, probabilities and at least one level are needed", op);
  }
  check_result(op, "boxes_xyxy", args.boxes_xyxy, {n, 1, anchors, 4}, DType::kF32);
  check_result(op, "probabilities", args.probabilities, {n, 1, anchors, nc}, DType::kF32);
  check_options(op, args.options);
  check_results(op, args.result, n, anchors, nc);
  const auto truths = read_targets(stream, op, args.targets, n, nc, args.grid, false);
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

void detection_assign(Stream& stream, const DetectionAssignArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, detection_assign, args);
}

void task_aligned_assign(Stream& stream, const TaskAlignedAssignArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, task_aligned_assign, args);
}

}  // namespace boxcar::kernels
