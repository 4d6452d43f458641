#include "boxcar/kernels/loss/detection_loss.h"

#include <algorithm>
#include <array>
#include <memory_resource>
#include <span>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/loss/class_term.h"
#include "boxcar/kernels/loss/distance_math.h"

namespace boxcar::kernels {
namespace {

constexpr const char* kOp = "detection_loss";

/// The three terms before gains and normalisation.
struct Terms {
  double box = 0.0, cls = 0.0, dist = 0.0;
  void add(const Terms& t) { box += t.box, cls += t.cls, dist += t.dist; }
};

BoxF in_cells(const BoxF& b, float stride) { return {b.x1 / stride, b.y1 / stride, b.x2 / stride, b.y2 / stride}; }

void check_args(const DetectionLossArgs& args, const DetectionMaps& maps) {
  check_options(kOp, args.assign);
  if (!args.grads.empty() && args.grads.size() != args.levels.size()) {
    fail<ShapeError>("{}: gradients for {} levels were given, but there are {}", kOp, args.grads.size(),
                     args.levels.size());
  }
  for (int l = 0; l < args.grads.size(); ++l) {
    for (const auto& [grad, map] : {std::pair{args.grads[l].box_dist, args.levels[l].box_dist},
                                    std::pair{args.grads[l].cls_logits, args.levels[l].cls_logits}}) {
      check_same_shape(kOp, grad, map);
      check_same_dtype(kOp, grad, map);
      check_packed(kOp, "gradient", grad);
    }
  }
  if (args.class_weights.data)
    check_same_shape(kOp, args.class_weights, {nullptr, DType::kF32, 1, 1, 1, maps.classes()});
  for (const TensorView& out : {args.items, args.loss}) {
    if (out.data) check_same_shape(kOp, out, {nullptr, DType::kF32, 1, 1, 1, 3});
  }
}

/// One pass of the loss over a batch whose assignment is known.
class LossPass {
 public:
  LossPass(const DetectionLossArgs& args, const DetectionMaps& maps, double score_sum)
      : args_(args), maps_(maps), weights_(args.class_weights.as<const float>()) {
    const double per_score = double{args.grad_scale} * maps.images() / score_sum;
    box_factor_ = static_cast<float>(args.gains.box * per_score);
    cls_factor_ = static_cast<float>(args.gains.cls * per_score);
    dist_factor_ = static_cast<float>(args.gains.dfl * per_score);
  }

  /// Every anchor and class with target 0; box gradients are cleared.
  Terms background(Stream& stream) const;
  /// What the matches of one image change.
  Terms image(int image, std::span<const GroundTruth> truths, std::span<const AnchorMatch> matches) const;

 private:
  double class_change(int image, const AnchorPoint& p, int label, float score) const;
  void add_boxes(int image, const AnchorPoint& p, const GroundTruth& truth, float score, Terms& terms) const;
  double dfl(const float* raw, const std::array<float, 4>& targets, const std::array<float, 4>& side_grads,
             float weight, float* grad) const;
  double l1(const AnchorPoint& p, const float* raw, const std::array<float, 4>& targets,
            const std::array<float, 4>& side_grads, float weight, float* grad) const;

  const DetectionLossArgs& args_;
  const DetectionMaps& maps_;
  const float* weights_;
  float box_factor_ = 0, cls_factor_ = 0, dist_factor_ = 0;  // of a gradient: gain * N * grad_scale / sum of scores
};

Terms LossPass::background(Stream& stream) const {
  Terms terms;
  for (int l = 0; l < args_.levels.size(); ++l) {
    const TensorView grad = args_.grads.empty() ? TensorView{} : args_.grads[l].cls_logits;
    terms.cls += background_class_term(stream, args_.levels[l].cls_logits, weights_, cls_factor_, grad);
    if (args_.grads.empty()) continue;
    const TensorView& box = args_.grads[l].box_dist;
    stream.fill(box.data, 0, static_cast<std::size_t>(box.count()) * sizeof(float));
  }
  return terms;
}

Terms LossPass::image(int image, std::span<const GroundTruth> truths, std::span<const AnchorMatch> matches) const {
  Terms terms;
  for (const AnchorMatch& m : matches) {
    if (m.score == 0.0f) continue;  // a filler: weight 0 in every term
    const AnchorPoint p = maps_.grid().point(m.anchor);
    const GroundTruth& truth = truths[m.gt];
    terms.cls += class_change(image, p, truth.label, m.score);
    add_boxes(image, p, truth, m.score, terms);
  }
  return terms;
}

/// The logit of the matched class has target `score` instead of 0.
double LossPass::class_change(int image, const AnchorPoint& p, int label, float score) const {
  const float z = maps_.logits(image, p)[label];
  const float weight = weights_ ? weights_[label] : 1.0f;
  if (!args_.grads.empty()) {
    const std::int64_t at = maps_.pixel(image, p) * maps_.classes() + label;
    args_.grads[p.level].cls_logits.as<float>()[at] = cls_factor_ * weight * (sigmoid(z) - score);
  }
  return -double{weight} * z * score;
}

void LossPass::add_boxes(int image, const AnchorPoint& p, const GroundTruth& truth, float score, Terms& terms) const {
  const BoxF target = in_cells(truth.box, p.stride);
  const IouResult<float> r = iou_with_grad(IouKind::kCiou, maps_.box_in_cells(image, p), target);
  terms.box += (1.0 - r.value) * score;
  const float g = box_factor_ * score;  // of 1 - CIoU; left and top move their edge the other way
  const std::array side_grads{g * r.grad.x1, g * r.grad.y1, -g * r.grad.x2, -g * r.grad.y2};
  const std::array targets{p.x - target.x1, p.y - target.y1, target.x2 - p.x, target.y2 - p.y};
  const float* raw = maps_.box_dist(image, p);
  std::array<float, 4 * kMaxRegMax> unused;
  float* grad = args_.grads.empty()
                    ? unused.data()
                    : args_.grads[p.level].box_dist.as<float>() + maps_.pixel(image, p) * 4 * maps_.reg_max();
  const float weight = dist_factor_ * score / 4;
  terms.dist += score * (maps_.reg_max() == 1 ? l1(p, raw, targets, side_grads, weight, grad)
                                              : dfl(raw, targets, side_grads, weight, grad));
}

/// Mean over the sides; `grad` is written.
double LossPass::dfl(const float* raw, const std::array<float, 4>& targets, const std::array<float, 4>& side_grads,
                     float weight, float* grad) const {
  const int bins = maps_.reg_max();
  std::fill_n(grad, 4 * bins, 0.0f);
  double sum = 0.0;
  for (int side = 0; side < 4; ++side) {
    sum += dfl_with_grad(raw + side * bins, bins, targets[side], side_grads[side], weight, grad + side * bins);
  }
  return sum / 4;
}

/// Mean over the sides of the difference in fractions of the input; `grad` is written.
double LossPass::l1(const AnchorPoint& p, const float* raw, const std::array<float, 4>& targets,
                    const std::array<float, 4>& side_grads, float weight, float* grad) const {
  const std::array scale{p.stride / maps_.grid().image_width(), p.stride / maps_.grid().image_height()};
  double sum = 0.0;
  for (int side = 0; side < 4; ++side) {
    const float difference = raw[side] - targets[side], s = scale[side % 2];
    sum += std::fabs(difference * s);
    grad[side] = side_grads[side] + weight * sign_of(difference) * s;
  }
  return sum / 4;
}

using Matches = std::pmr::vector<std::pmr::vector<AnchorMatch>>;

/// Matches of every image, and max(1, sum of their scores).
double assign(Stream& stream, const DetectionLossArgs& args, const DetectionMaps& maps, const GroundTruths& truths,
              Matches& matches) {
  parallel_for(stream.threads(), static_cast<std::int64_t>(truths.size()), 1,
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t i = begin; i < end; ++i) {
                   const auto ask = [&](std::int64_t anchor, int label) {
                     return maps.prediction(static_cast<int>(i), anchor, label);
                   };
                   matches[i] = assign_image(maps.grid(), truths[i], args.assign, ask, stream.scratch());
                 }
               });
  double sum = 0.0;
  for (const auto& of_image : matches) {
    for (const AnchorMatch& m : of_image) sum += double{m.score};
  }
  return sum < 1.0 ? 1.0 : sum;  // NaN stays
}

void write_result(const DetectionLossArgs& args, const Terms& sum, double score_sum, int images) {
  const std::array items{args.gains.box * sum.box / score_sum, args.gains.cls * sum.cls / score_sum,
                         args.gains.dfl * sum.dist / score_sum};
  for (int k = 0; k < 3; ++k) {
    if (args.items.data) args.items.as<float>()[k] = static_cast<float>(items[k]);
    if (args.loss.data) args.loss.as<float>()[k] = static_cast<float>(items[k] * images);
  }
}

}  // namespace

namespace cpu {

void detection_loss(Stream& stream, const DetectionLossArgs& args) {
  const DetectionMaps maps(kOp, args.levels, args.reg_max);
  check_args(args, maps);
  const auto truths = read_targets(stream, kOp, args.targets, maps.images(), maps.classes(), maps.grid(), true);
  Matches matches(truths.size(), stream.scratch());
  const double score_sum = assign(stream, args, maps, truths, matches);
  const LossPass pass(args, maps, score_sum);
  Terms sum = pass.background(stream);
  std::pmr::vector<Terms> per_image(truths.size(), stream.scratch());
  parallel_for(stream.threads(), maps.images(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) per_image[i] = pass.image(static_cast<int>(i), truths[i], matches[i]);
  });
  for (const Terms& terms : per_image) sum.add(terms);
  write_result(args, sum, score_sum, maps.images());
}

}  // namespace cpu

void detection_loss(Stream& stream, const DetectionLossArgs& args) {
  BOXCAR_DISPATCH_CPU(stream, detection_loss, args);
}

OpCost cost_of(const DetectionLossArgs& args) {
  OpCost cost;
  for (const auto& level : args.levels) cost.bytes += bytes_of(level.box_dist) + bytes_of(level.cls_logits);
  if (!args.grads.empty()) cost.bytes *= 2;
  return cost;
}

}  // namespace boxcar::kernels
