// A detection head's maps with their loss and gradients, for the tests of loss/.
#pragma once

#include <cmath>
#include <memory>
#include <vector>

#include "boxcar/kernels/loss/detection_loss.h"
#include "support/backends.h"
#include "support/tensors.h"

namespace boxcar::test {

using kernels::AssignOptions;
using kernels::DetectionLevels;
using kernels::DetectionLossArgs;

/// `count` floats that begin `shift` floats behind an allocation's start; NaN where no values are given.
inline Tensor placed(Stream& stream, Shape shape, const std::vector<float>* values, int shift) {
  const auto count = static_cast<int>(shape.count());
  std::vector<float> all(static_cast<std::size_t>(count + shift), std::nanf(""));
  if (values) std::copy(values->begin(), values->end(), all.begin() + shift);
  const Tensor memory = tensor_of(stream, {1, 1, 1, count + shift}, all);
  return Tensor::wrap({memory.as() + shift, DType::kF32, shape.n, shape.h, shape.w, shape.c, shape.c},
                      std::make_shared<Tensor>(memory));
}

inline Tensor table_of(Stream& stream, const std::vector<float>& rows) {
  return tensor_of(stream, {1, 1, static_cast<int>(rows.size() / 6), 6}, rows);
}

/// Head maps of one branch with their gradients and the loss of one call.
struct Head {
  struct Level {
    int h, w;
    float stride;
    std::vector<float> box, cls, box_grad, cls_grad;
  };
  int n = 1, nc = 1, reg_max = 16;
  int shift = 0;  // of all maps and gradients, in floats: no vectors where it is odd
  std::vector<Level> levels{};
  std::vector<float> targets{}, class_weights{};
  std::vector<float> items{}, loss{};
  float total = 0;

  void add(int h, int w, float stride) {
    const auto cells = static_cast<std::size_t>(n) * h * w;
    levels.push_back({h, w, stride, std::vector<float>(cells * 4 * reg_max), std::vector<float>(cells * nc), {}, {}});
  }
  Shape box_shape(const Level& l) const { return {n, l.h, l.w, 4 * reg_max}; }
  Shape cls_shape(const Level& l) const { return {n, l.h, l.w, nc}; }

  /// The maps on a device.
  struct Maps {
    std::vector<Tensor> kept{};
    DetectionLevels levels{};
  };
  Maps maps(Stream& stream) const {
    Maps out;
    for (const Level& l : levels) {
      out.kept.push_back(placed(stream, box_shape(l), &l.box, shift));
      out.kept.push_back(placed(stream, cls_shape(l), &l.cls, shift));
      out.levels.push_back({out.kept[out.kept.size() - 2], out.kept.back(), l.stride});
    }
    return out;
  }

  /// Everything that one call writes: per level box and class gradients, then items, loss, total.
  std::vector<float> issue(Stream& stream, AssignOptions assign = {}, float grad_scale = 1.0f) const {
    const Maps in = maps(stream);
    std::vector<Tensor> out;
    DetectionLossArgs args{.levels = in.levels, .reg_max = reg_max};
    for (const Level& l : levels) {
      out.push_back(placed(stream, box_shape(l), nullptr, shift));
      out.push_back(placed(stream, cls_shape(l), nullptr, shift));
      args.grads.push_back({out[out.size() - 2], out.back()});
    }
    for (const int count : {3, 3, 1}) out.push_back(unwritten(stream, {1, 1, 1, count}));
    const Tensor table = table_of(stream, targets);
    const Tensor weights = tensor_of(stream, {1, 1, 1, static_cast<int>(class_weights.size())}, class_weights);
    if (!class_weights.empty()) args.class_weights = weights;
    args.targets = table;
    args.assign = assign;
    args.grad_scale = grad_scale;
    args.items = out[out.size() - 3], args.loss = out[out.size() - 2], args.total = out.back();
    detection_loss(stream, args);
    std::vector<float> all;
    for (const Tensor& t : out) append(all, t.to_host(stream));
    return all;
  }
  void take(const std::vector<float>& all) {
    auto at = all.begin();
    const auto next = [&](std::size_t count) { return std::vector<float>(at, at + count); };
    for (Level& l : levels) {
      l.box_grad = next(l.box.size()), at += l.box.size();
      l.cls_grad = next(l.cls.size()), at += l.cls.size();
    }
    items = next(3), at += 3;
    loss = next(3), at += 3;
    total = *at;
  }
  void run(Device device, AssignOptions assign = {}, float grad_scale = 1.0f) {
    take(run_on(device, [&](Stream& stream) { return issue(stream, assign, grad_scale); }));
  }
  void randomise(std::uint32_t seed) {
    std::uint32_t state = seed;
    const auto next = [&] { return float((state = state * 1664525u + 1013904223u) >> 8) / float(1 << 24); };
    for (Level& l : levels) {
      for (float& v : l.box) v = reg_max == 1 ? 2 * next() : 3 * next();
      for (float& v : l.cls) v = 4 * next() - 3;
    }
    for (int i = 0; i < 5 * n; ++i) {
      targets.insert(targets.end(), {float(i % n), float(i % nc), 0.2f + 0.6f * next(), 0.2f + 0.6f * next(),
                                     0.05f + 0.5f * next(), 0.05f + 0.5f * next()});
    }
  }
};

}  // namespace boxcar::test
