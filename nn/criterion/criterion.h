// What training minimises.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "boxcar/kernels/loss/detection_loss.h"
#include "boxcar/nn/model/batch.h"
#include "boxcar/nn/modules/detect.h"

namespace boxcar {

using Outputs = nn::Outputs;
class Model;

/// `total` is differentiated; `items` are reported: progress bar, results.csv, loggers.
struct Loss {
  nn::Value total;
  std::vector<nn::Value> items;
};

class Criterion {
 public:
  virtual ~Criterion() = default;
  /// Of the items, e.g. {"box_loss", "cls_loss", "dfl_loss"}.
  virtual std::vector<std::string> names() const = 0;
  virtual Loss operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) = 0;
  virtual void on_epoch_end(int /*epoch*/, int /*epochs*/) {}
  /// Called once, before the first batch, with the model whose outputs it will see.
  virtual void attach(const Model& /*model*/) {}
};

/// What a detection loss must know of the model and the run.
struct DetectionLossSettings {
  std::vector<int> strides;  // of the levels, in pixels of the network input
  int nc = 0, reg_max = 16;
  kernels::LossGains gains;
  std::vector<float> class_weights;  // nc factors of the class term; empty: none
};

/// What the terms of a detection loss are made of: a row for every anchor of every image, levels in order.
/// Shapes do not depend on the number of objects: background has weight 0, and the target box of its image's first
/// object (zeros without objects). A anchors, R = reg_max. All f32.
struct Matches {
  nn::Value boxes{};          // [N,1,A,4] predicted corners in pixels of the network input, with gradient
  nn::Value target_boxes{};   // [N,1,A,4] corners in pixels
  nn::Value weight{};         // [N,1,A,1] soft target score of the anchor's object
  nn::Value logits{};         // [N,1,A,nc] class logits, with gradient
  nn::Value target_scores{};  // [N,1,A,nc] the weight at the object's class, 0 elsewhere
  nn::Value bins{};           // [N,1,A,4*R] raw distributions of left, top, right, bottom, with gradient
  nn::Value target_ltrb{};    // [N,1,A,4] distances from the anchor to the target's sides in cells, not clamped
  nn::Value norm{};           // [1,1,1,1] max(1, sum of all weights): what terms are divided by
  nn::Value stride{};         // [1,1,A,1] pixels a cell of the anchor's level: boxes / stride are in cells
  nn::Value cell_size{};      // [1,1,A,4] a cell as fraction of the input's width, height, width, height
};

/// The YOLO detection loss: task-aligned assignment, CIoU, distribution focal loss and binary cross entropy.
/// total = (gains.box * box_loss + gains.cls * cls_loss + gains.dfl * dfl_loss) * N, the items are the three products.
///
/// A DetectionCriterion itself is one fused kernel. In a class derived from it the terms are ops: those that it does
/// not override equal the kernel's to 1e-5. Which of the two follows from the class alone, so it never changes between
/// batches.
class DetectionCriterion : public Criterion {
 public:
  std::vector<std::string> names() const override;
  /// outputs: box and class map of each level, as of the Detect head. Throws ModelError for another number of maps, or
  /// a term that is not a single number; ShapeError and DataError as kernels::detection_loss.
  Loss operator()(nn::Context& context, const Outputs& outputs, const Batch& batch) override;
  /// Takes the settings of a DetectionModel. Throws ModelError for a model of another kind.
  void attach(const Model& model) override;
  const DetectionLossSettings& settings() const { return settings_; }
  void set_settings(DetectionLossSettings settings);

 protected:
  /// Decodes the boxes and assigns the anchors to the objects (10 candidates an object).
  virtual Matches assign(nn::Context& context, const Outputs& outputs, const Batch& batch);
  /// The terms, one number each, before their gains and the factor N; a plain number does as well.
  /// sum((1 - CIoU) * weight) / norm, boxes in cells.
  virtual nn::Value box_loss(nn::Context& context, const Matches& matches);
  /// sum(class weight * binary cross entropy(logits, target_scores)) / norm.
  virtual nn::Value cls_loss(nn::Context& context, const Matches& matches);
  /// R > 1: distribution focal loss, R = 1: L1 distance in fractions of the input; the mean of the four sides, times
  /// weight, summed, / norm.
  virtual nn::Value dfl_loss(nn::Context& context, const Matches& matches);

 private:
  Loss by_kernel(nn::Context& context, const Outputs& outputs, const Batch& batch);
  Loss by_ops(nn::Context& context, const Outputs& outputs, const Batch& batch);

  /// The factors on the device of the first batch, made once; undefined where there are none.
  Tensor class_weights(Stream& stream);

  DetectionLossSettings settings_;
  Tensor class_weights_;
};

}  // namespace boxcar
