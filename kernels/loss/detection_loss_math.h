// The terms of the detection loss for one foreground anchor, for both backends.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"
#include "boxcar/kernels/loss/detection_loss.h"
#include "boxcar/kernels/loss/distance_math.h"
#include "boxcar/kernels/loss/iou_math.h"

namespace boxcar::kernels {

/// Factors of the gradients of each term: gain * N * grad_scale / sum of scores.
struct LossFactors {
  float box, cls, dist;
};
BOXCAR_HD LossFactors loss_factors(const LossGains& gains, float grad_scale, int images, double score_sum) {
  const double per_score = double{grad_scale} * images / score_sum;
  return {static_cast<float>(gains.box * per_score), static_cast<float>(gains.cls * per_score),
          static_cast<float>(gains.dfl * per_score)};
}

/// The three terms before gains and normalisation.
struct TermSums {
  double box = 0.0, cls = 0.0, dist = 0.0;
};

/// The results.
struct LossSums {
  float items[3], loss[3], total;
};
BOXCAR_HD LossSums loss_sums(const LossGains& gains, const TermSums& sums, double score_sum, int images) {
  const double items[] = {gains.box * sums.box / score_sum, gains.cls * sums.cls / score_sum,
                          gains.dfl * sums.dist / score_sum};
  LossSums all{};
  for (int k = 0; k < 3; ++k) {
    all.items[k] = static_cast<float>(items[k]);
    all.loss[k] = static_cast<float>(items[k] * images);
    all.total += all.loss[k];
  }
  return all;
}

/// CIoU of the predicted box, and the gradient of factor * (1 - CIoU) with respect to the distances of its left, top,
/// right and bottom side; boxes in cells.
struct BoxTerm {
  float ciou;
  float side_grads[4];
};
BOXCAR_HD BoxTerm box_term(const BoxF& predicted, const BoxF& target, float factor) {
  const IouResult<float> r = iou_with_grad(IouKind::kCiou, predicted, target);
  // Left and top move their edge the other way.
  return {r.value, {factor * r.grad.x1, factor * r.grad.y1, -factor * r.grad.x2, -factor * r.grad.y2}};
}

BOXCAR_HD BoxF in_cells(const BoxF& b, float stride) {
  return {b.x1 / stride, b.y1 / stride, b.x2 / stride, b.y2 / stride};
}

/// reg_max 1: the difference of one side in fractions of the input, scale being a cell's. Writes the gradient
/// side_grad + weight * slope to *grad, unless null.
BOXCAR_HD float l1_with_grad(float raw, float target, float scale, float side_grad, float weight, float* grad) {
  const float difference = raw - target;
  if (grad) *grad = side_grad + weight * sign_of(difference) * scale;
  return fabsf(difference * scale);
}

}  // namespace boxcar::kernels
