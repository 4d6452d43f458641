#include "boxcar/kernels/loss/detection_loss.h"

#include <array>
#include <memory_resource>
#include <span>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/loss/class_term.h"
#include "boxcar/kernels/loss/detection_loss_math.h"

namespace boxcar::kernels {
namespace {

constexpr const char* kOp = "detection_loss";

void add(TermSums& sums, const TermSums& more) { sums.box += more.box, sums.cls += more.cls, sums.dist += more.dist; }

void check_args(const DetectionLossArgs& args, const DetectionMaps& maps) {
  check_options(kOp, args.assign);
  check_targets(kOp, args.targets);
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
  if (args.total.data) check_same_shape(kOp, args.total, {nullptr, DType::kF32, 1, 1, 1, 1});
}

/// One pass of the loss over a batch whose assignment is known.
class LossPass {
 public:
  LossPass(const DetectionLossArgs& args, const DetectionMaps& maps, double score_sum)
      : args_(args),
        maps_(maps),
        weights_(args.class_weights.as<const float>()),
        factors_(loss_factors(args.gains, args.grad_scale, maps.images(), score_sum)) {}

  /// Every anchor and class with target 0; box gradients are cleared.
  TermSums background(Stream& stream) const;
  /// What the matches of one image change.
  TermSums image(int image, std::span<const GroundTruth> truths, std::span<const AnchorMatch> matches) const;

 private:
  double class_change(int image, const AnchorPoint& p, int label, float score) const;
  void add_boxes(int image, const AnchorPoint& p, const GroundTruth& truth, float score, TermSums& terms) const;
  double distance(const AnchorPoint& p, int side, const float* raw, float target, float side_grad, float weight,
                  float* grad) const;

  const DetectionLossArgs& args_;
  const DetectionMaps& maps_;
  const float* weights_;
  LossFactors factors_;
};

TermSums LossPass::background(Stream& stream) const {
  TermSums terms;
  for (int l = 0; l < args_.levels.size(); ++l) {
    const TensorView grad = args_.grads.empty() ? TensorView{} : args_.grads[l].cls_logits;
    terms.cls += background_class_term(stream, args_.levels[l].cls_logits, weights_, factors_.cls, grad);
    if (args_.grads.empty()) continue;
    const TensorView& box = args_.grads[l].box_dist;
    stream.fill(box.data, 0, static_cast<std::size_t>(box.count()) * sizeof(float));
  }
  return terms;
}

TermSums LossPass::image(int image, std::span<const GroundTruth> truths, std::span<const AnchorMatch> matches) const {
  TermSums terms;
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
    args_.grads[p.level].cls_logits.as<float>()[at] = factors_.cls * weight * (sigmoid(z) - score);
  }
  return -double{weight} * z * score;
}

void LossPass::add_boxes(int image, const AnchorPoint& p, const GroundTruth& truth, float score,
                         TermSums& terms) const {
  const BoxTerm box = box_term(maps_.box_in_cells(image, p), in_cells(truth.box, p.stride), factors_.box * score);
  terms.box += (1.0 - box.ciou) * score;
  const BoxF sides = target_sides(p, truth.box);
  const std::array targets{sides.x1, sides.y1, sides.x2, sides.y2};
  const int bins = maps_.reg_max();
  const float* raw = maps_.box_dist(image, p);
  float* grad =
      args_.grads.empty() ? nullptr : args_.grads[p.level].box_dist.as<float>() + maps_.pixel(image, p) * 4 * bins;
  double sum = 0.0;
  for (int side = 0; side < 4; ++side) {
    sum += distance(p, side, raw + side * bins, targets[side], box.side_grads[side], factors_.dist * score / 4,
                    grad ? grad + side * bins : nullptr);
  }
  terms.dist += score * (sum / 4);
}

/// The distance term of one side; its gradient is written.
double LossPass::distance(const AnchorPoint& p, int side, const float* raw, float target, float side_grad, float weight,
                          float* grad) const {
  if (maps_.reg_max() > 1) return dfl_with_grad(raw, maps_.reg_max(), target, side_grad, weight, grad);
  const float input = side % 2 == 0 ? maps_.grid().image_width() : maps_.grid().image_height();
  return l1_with_grad(*raw, target, p.stride / input, side_grad, weight, grad);
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

void write_result(const DetectionLossArgs& args, const TermSums& sum, double score_sum, int images) {
  const LossSums all = loss_sums(args.gains, sum, score_sum, images);
  for (int k = 0; k < 3; ++k) {
    if (args.items.data) args.items.as<float>()[k] = all.items[k];
    if (args.loss.data) args.loss.as<float>()[k] = all.loss[k];
  }
  if (args.total.data) *args.total.as<float>() = all.total;
}

}  // namespace

namespace cpu {

void detection_loss(Stream& stream, const DetectionLossArgs& args) {
  const DetectionMaps maps(kOp, args.levels, args.reg_max);
  const auto truths = read_targets(stream, kOp, args.targets, maps.images(), maps.classes(), maps.grid(), true);
  Matches matches(truths.size(), stream.scratch());
  const double score_sum = assign(stream, args, maps, truths, matches);
  const LossPass pass(args, maps, score_sum);
  TermSums sum = pass.background(stream);
  std::pmr::vector<TermSums> per_image(truths.size(), stream.scratch());
  parallel_for(stream.threads(), maps.images(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) per_image[i] = pass.image(static_cast<int>(i), truths[i], matches[i]);
  });
  for (const TermSums& terms : per_image) add(sum, terms);
  write_result(args, sum, score_sum, maps.images());
}

void scale_loss_gradients(Stream& stream, const ScaleLossGradientsArgs& args) {
  const float factor = *args.factor.as<const float>();
  if (factor == 1.0f) return;
  constexpr std::int64_t kGrain = 1 << 14;  // elements; less is not worth a thread
  for (const DetectionLevelGrads& level : args.grads) {
    for (const TensorView& grad : {level.box_dist, level.cls_logits}) {
      parallel_for(stream.threads(), grad.count(), kGrain, [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t i = begin; i < end; ++i) grad.as<float>()[i] *= factor;
      });
    }
  }
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void detection_loss(Stream& stream, const DetectionLossArgs& args);
void scale_loss_gradients(Stream& stream, const ScaleLossGradientsArgs& args);
}  // namespace cuda
#endif

void detection_loss(Stream& stream, const DetectionLossArgs& args) {
  check_args(args, DetectionMaps(kOp, args.levels, args.reg_max));
  BOXCAR_DISPATCH(stream, detection_loss, args);
}

void scale_loss_gradients(Stream& stream, const ScaleLossGradientsArgs& args) {
  check_same_shape("scale_loss_gradients", args.factor, {nullptr, DType::kF32, 1, 1, 1, 1});
  for (const DetectionLevelGrads& level : args.grads) {
    for (const TensorView& grad : {level.box_dist, level.cls_logits}) {
      check_same_dtype("scale_loss_gradients", args.factor, grad);
      check_packed("scale_loss_gradients", "gradient", grad);
    }
  }
  BOXCAR_DISPATCH(stream, scale_loss_gradients, args);
}

OpCost cost_of(const DetectionLossArgs& args) {
  OpCost cost{.launches = args.assign.topk2 == args.assign.topk ? 8 : 9};
  for (const auto& level : args.levels) cost.bytes += bytes_of(level.box_dist) + bytes_of(level.cls_logits);
  if (!args.grads.empty()) cost.bytes *= 2;
  return cost;
}

}  // namespace boxcar::kernels
