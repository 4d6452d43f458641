// The terms of the detection loss by ops, for criteria that override some of them.
#include "boxcar/kernels/assign/assign.h"
#include "boxcar/nn/autograd/ops/op.h"
#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/nn/criterion/criterion.h"
#include "boxcar/nn/criterion/detection_maps.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using nn::Context;
using nn::Value;

/// What is known of the anchors whatever the model says.
struct AnchorTables {
  Value points;     // [1,1,A,4] x, y, x, y in cells
  Value stride;     // [1,1,A,1]
  Value cell_size;  // [1,1,A,4]
};

AnchorTables anchor_tables(Context& context, const kernels::AnchorGrid& grid) {
  std::vector<float> points, strides, sizes;
  for (std::int64_t a = 0; a < grid.count(); ++a) {
    const kernels::AnchorPoint p = grid.point(a);
    const float w = p.stride / grid.image_width(), h = p.stride / grid.image_height();
    points.insert(points.end(), {p.x, p.y, p.x, p.y});
    strides.push_back(p.stride);
    sizes.insert(sizes.end(), {w, h, w, h});
  }
  const auto table = [&](int columns, const std::vector<float>& values) {
    return Value(context, Tensor::from(context.stream(), {1, 1, static_cast<int>(grid.count()), columns}, values));
  };
  return {table(4, points), table(1, strides), table(4, sizes)};
}

/// The maps of all levels, each second output from `first` on, as one table [N,1,A,C].
Value as_table(const Outputs& outputs, std::size_t first) {
  std::vector<Value> tables;
  for (std::size_t i = first; i < outputs.size(); i += 2) {
    const Shape s = outputs[i].shape();
    tables.push_back(reshape(outputs[i], {s.n, 1, s.h * s.w, s.c}));
  }
  return nn::concat(tables, 2);
}

/// 0, 1, ... in the channels.
Value numbers(Context& context, int count) {
  std::vector<float> values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
  return Value(context, Tensor::from(context.stream(), {1, 1, 1, count}, values));
}

/// [N,1,A,4*R] -> [N,A,4,R]: a row for each side.
Value by_sides(const Value& bins, int reg_max) {
  const Shape s = bins.shape();
  return reshape(bins, {s.n, s.w, 4, reg_max});
}

/// Distances [N,1,A,4] in cells: the expected bin of each side.
Value distances(Context& context, const Value& bins, int reg_max) {
  if (reg_max == 1) return bins;
  const Shape s = bins.shape();
  const Value expected = sum(softmax(by_sides(bins, reg_max)) * numbers(context, reg_max), {3});
  return reshape(expected, {s.n, 1, s.w, 4});
}

/// A term as a tensor of one element, times its gain.
Value item(Context& context, const char* term, const Value& value, float gain) {
  const Value one = nn::operand(context, term, value);
  if (one.shape() != Shape{}) {
    fail<ModelError>("{} gave {}, but one number is wanted; sum it", term, one.shape().str());
  }
  return one * gain;
}

}  // namespace

kernels::DetectionLevels detection_levels(const Outputs& outputs, const std::vector<int>& strides) {
  if (outputs.size() != 2 * strides.size()) {
    fail<ModelError>("the detection loss wants box and class maps of {} levels, the model gave {} outputs",
                     strides.size(), outputs.size());
  }
  kernels::DetectionLevels levels;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    levels.push_back({outputs[2 * i].packed(), outputs[2 * i + 1].packed(), static_cast<float>(strides[i])});
  }
  return levels;
}

Loss DetectionCriterion::by_ops(Context& context, const Outputs& outputs, const Batch& batch) {
  const Matches matches = assign(context, outputs, batch);
  const Value box = item(context, "box_loss", box_loss(context, matches), settings_.gains.box);
  const Value cls = item(context, "cls_loss", cls_loss(context, matches), settings_.gains.cls);
  const Value dfl = item(context, "dfl_loss", dfl_loss(context, matches), settings_.gains.dfl);
  const auto images = static_cast<float>(outputs.front().shape().n);
  return {(box + cls + dfl) * images, {box, cls, dfl}};
}

Matches DetectionCriterion::assign(Context& context, const Outputs& outputs, const Batch& batch) {
  Stream& stream = context.stream();
  const kernels::DetectionLevels levels = detection_levels(outputs, settings_.strides);
  const kernels::DetectionMaps maps("assign", levels, settings_.reg_max);
  const int n = maps.images(), anchors = static_cast<int>(maps.grid().count());
  const Tensor boxes = Tensor::empty(stream, {n, 1, anchors, 4}), weight = Tensor::empty(stream, {n, 1, anchors, 1});
  const Tensor scores = Tensor::empty(stream, {n, 1, anchors, maps.classes()});
  const Tensor ltrb = Tensor::empty(stream, {n, 1, anchors, 4}), norm = Tensor::empty(stream, {});
  kernels::detection_assign(
      stream,
      {.levels = levels,
       .reg_max = settings_.reg_max,
       .targets = batch.targets,
       .options = {},
       .result = {
           .target_boxes = boxes, .target_scores = scores, .weight = weight, .target_ltrb = ltrb, .norm = norm}});
  const AnchorTables anchor = anchor_tables(context, maps.grid());
  const Value bins = as_table(outputs, 0);
  const Value outward(context, Tensor::from(stream, {1, 1, 1, 4}, {-1, -1, 1, 1}));
  const Value cells = anchor.points + distances(context, bins, settings_.reg_max) * outward;
  return {.boxes = cells * anchor.stride,
          .target_boxes = {context, boxes},
          .weight = {context, weight},
          .logits = as_table(outputs, 1),
          .target_scores = {context, scores},
          .bins = bins,
          .target_ltrb = {context, ltrb},
          .norm = {context, norm},
          .stride = anchor.stride,
          .cell_size = anchor.cell_size};
}

// Background may have any box: chosen away, not only multiplied by 0, so that an infinite loss there stays out.
Value DetectionCriterion::box_loss(Context&, const Matches& m) {
  const Value overlap = iou(m.boxes / m.stride, m.target_boxes / m.stride, nn::Iou::ciou);
  return sum(where(m.weight, (1.0f - overlap) * m.weight, 0.0f)) / m.norm;
}

Value DetectionCriterion::cls_loss(Context& context, const Matches& m) {
  const Value loss = softplus(m.logits) - m.logits * m.target_scores;
  const Tensor weights = class_weights(context.stream());
  return sum(weights ? loss * Value(context, weights) : loss) / m.norm;
}

Value DetectionCriterion::dfl_loss(Context& context, const Matches& m) {
  const int bins = settings_.reg_max;
  const Shape s = m.bins.shape();
  if (bins == 1) {
    const Value distance = mean(abs((m.bins - m.target_ltrb) * m.cell_size), {3});
    return sum(where(m.weight, distance * m.weight, 0.0f)) / m.norm;
  }
  // The two bins around a target share it by their nearness: a hat of width 1 over the bins.
  const Value target = reshape(clamp(m.target_ltrb, 0.0f, float(bins - 1) - 0.01f), {s.n, s.w, 4, 1});
  const Value wanted = relu(1.0f - abs(target - numbers(context, bins)));
  const Value per_side = sum(log_softmax(by_sides(m.bins, bins)) * wanted, {3});
  const Value loss = reshape(mean(per_side, {2}), {s.n, 1, s.w, 1});
  return sum(where(m.weight, loss * m.weight, 0.0f)) / m.norm * -1.0f;
}

}  // namespace boxcar
