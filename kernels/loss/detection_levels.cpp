#include "boxcar/kernels/loss/detection_levels.h"

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/loss/decode_rows.h"
#include "boxcar/kernels/loss/distance_math.h"

namespace boxcar::kernels {
namespace {

void check_map(const char* op, const char* what, const TensorView& map, const Shape& wanted) {
  if (map.shape() != wanted || map.dtype != DType::kF32 || map.data == nullptr) {
    fail<ShapeError>("{}: {} is {} {}, but f32 {} is wanted", op, what, name_of(map.dtype), map.shape().str(),
                     wanted.str());
  }
  check_packed(op, what, map);
}

}  // namespace

DetectionMaps::DetectionMaps(const char* op, const DetectionLevels& levels, int reg_max)
    : levels_(levels), reg_max_(reg_max) {
  if (levels.empty()) fail<ShapeError>("{}: a detection head needs at least one level", op);
  if (reg_max < 1 || reg_max > kMaxRegMax) {
    fail<ShapeError>("{}: reg_max is {}, but 1..{} is wanted", op, reg_max, kMaxRegMax);
  }
  const int n = images(), nc = classes();
  if (nc < 1) fail<ShapeError>("{}: the class maps have {} channels; at least one class is needed", op, nc);
  for (const DetectionLevel& level : levels) {
    const int h = level.cls_logits.h, w = level.cls_logits.w;
    check_map(op, "cls_logits", level.cls_logits, {n, h, w, nc});
    check_map(op, "box_dist", level.box_dist, {n, h, w, 4 * reg_max});
    grid_.add_level(h, w, level.stride);
  }
}

BoxF DetectionMaps::box_in_cells(int image, const AnchorPoint& p) const {
  if (reg_max_ == 1) return decode_box(p.x, p.y, box_dist(image, p), 1);
  float distances[4];
  cpu::expected_bins(box_dist(image, p), reg_max_, distances);
  return box_from_distances(p.x, p.y, distances[0], distances[1], distances[2], distances[3]);
}

AnchorPrediction DetectionMaps::prediction(int image, std::int64_t anchor, int label) const {
  const AnchorPoint p = grid_.point(anchor);
  const BoxF b = box_in_cells(image, p);
  return {{b.x1 * p.stride, b.y1 * p.stride, b.x2 * p.stride, b.y2 * p.stride}, sigmoid(logits(image, p)[label])};
}

void check_targets(const char* op, const TensorView& targets) {
  if (targets.w > 0) check_map(op, "targets", targets, {1, 1, targets.w, 6});
}

GroundTruths read_targets(Stream& stream, const char* op, const TensorView& targets, int images, int classes,
                          const AnchorGrid& grid, bool normalised) {
  check_targets(op, targets);
  GroundTruths truths(static_cast<std::size_t>(images), stream.scratch());
  for (int r = 0; r < targets.w; ++r) {
    const float* row = targets.as<const float>() + std::int64_t{r} * 6;
    if (row[0] < 0.0f) continue;
    const int image = integer_below(row[0], images), label = integer_below(row[1], classes);
    if (image < 0) fail<DataError>("{}: row {} of the targets is for image {} of a batch of {}", op, r, row[0], images);
    if (label < 0) {
      fail<DataError>("{}: row {} of the targets has class {}, but the model has classes 0..{}", op, r, row[1],
                      classes - 1);
    }
    const BoxF box = normalised ? corners_from_fractions(row + 2, grid.image_width(), grid.image_height())
                                : BoxF{row[2], row[3], row[4], row[5]};
    truths[static_cast<std::size_t>(image)].push_back({box, label});
  }
  return truths;
}

void check_options(const char* op, const AssignOptions& options) {
  for (const int k : {options.topk, options.topk2}) {
    if (k >= 1 && k <= kMaxTopk) continue;
    fail<ArgumentError>("{}: topk is {} and topk2 {}, but both must be 1..{}", op, options.topk, options.topk2,
                        kMaxTopk);
  }
}

}  // namespace boxcar::kernels
