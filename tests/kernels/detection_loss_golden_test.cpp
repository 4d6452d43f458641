// The detection loss against the reference's numbers.
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "boxcar/kernels/assign/assign.h"
#include "boxcar/kernels/loss/decode.h"
#include "kernels/detection_loss_head.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

using test::Head;
using test::run_on;
using test::table_of;

using Tensors = std::map<std::string, test::GoldenTensor>;

constexpr int kStrides[] = {8, 16, 32};

Head read_head(const Tensors& t, const nlohmann::json& c, const std::string& branch) {
  const std::string name = c["case"].get<std::string>() + "/", maps = name + branch;
  Head head{.n = c["B"], .nc = c["nc"], .reg_max = c["reg_max"]};
  for (const int s : kStrides) {
    const int h = c["image_hw"][0].get<int>() / s, w = c["image_hw"][1].get<int>() / s;
    head.add(h, w, float(s));
    auto& level = head.levels.back();
    const std::string suffix = "s" + std::to_string(s);
    level.box = test::to_nhwc(t.at(maps + "box_" + suffix).floats(), head.n, 4 * head.reg_max, h, w);
    level.cls = test::to_nhwc(t.at(maps + "cls_" + suffix).floats(), head.n, head.nc, h, w);
  }
  if (t.count(name + "batch_idx")) {
    const auto image = t.at(name + "batch_idx").floats(), cls = t.at(name + "cls").floats();
    const auto boxes = t.at(name + "bboxes").floats();
    for (std::size_t r = 0; r < image.size(); ++r) {
      head.targets.insert(head.targets.end(), {image[r], cls[r]});
      head.targets.insert(head.targets.end(), boxes.begin() + 4 * r, boxes.begin() + 4 * r + 4);
    }
  }
  if (c.contains("class_weights") && !c["class_weights"].is_null()) {
    head.class_weights = c["class_weights"].get<std::vector<float>>();
  }
  return head;
}

/// Worst difference of the gradients of one kind over the levels, relative to the largest of the case.
void compare_grads(const Tensors& t, const std::string& prefix, const Head& head) {
  for (const bool box : {true, false}) {
    double worst = 0, largest = 0;
    for (const auto& level : head.levels) {
      const auto name = prefix + (box ? "box_s" : "cls_s") + std::to_string(int(level.stride)) + ".grad";
      const auto want = test::to_nhwc(t.at(name).floats(), head.n, box ? 4 * head.reg_max : head.nc, level.h, level.w);
      worst = std::max(worst, test::max_difference(box ? level.box_grad : level.cls_grad, want));
      largest = std::max(largest, test::max_abs(want));
    }
    EXPECT_TRUE(worst <= 1e-5 * largest) << prefix << (box ? " box " : " cls ") << worst << " of " << largest;
  }
}

void compare_vector(const std::vector<float>& got, const std::vector<float>& want, const char* what) {
  EXPECT_TRUE(test::max_difference(got, want) <= 2e-6 * test::max_abs(want))
      << what << ": " << test::max_difference(got, want) << " of " << test::max_abs(want);
}

std::vector<float> golden_items(const nlohmann::json& c) {
  const auto& items = c["items"];
  return {items["box_loss"], items["cls_loss"], c["reg_max"] == 1 ? items["l1_loss"] : items["dfl_loss"]};
}

/// Assignment and decoded boxes of a branch against the stored ones.
void compare_assignment(Device device, const Tensors& t, const nlohmann::json& c, const std::string& branch,
                        const Head& head, AssignOptions options, bool exact) {
  const std::string prefix = c["case"].get<std::string>() + "/" + branch;
  const auto fg = t.at(prefix + "fg_mask").integers(), gt = t.at(prefix + "target_gt_idx").integers();
  const int anchors = static_cast<int>(fg.size()) / head.n;
  const auto all = run_on(device, [&](Stream& s) {
    const Head::Maps in = head.maps(s);
    const auto column = [&](DType type) { return Tensor::empty(s, {head.n, 1, anchors, 1}, type); };
    const Tensor foreground = column(DType::kU8), index = column(DType::kI32), weight = column(DType::kF32);
    const Tensor decoded = test::unwritten(s, {head.n, 1, anchors, 4 + head.nc}), table = table_of(s, head.targets);
    DetectionAssignArgs args{.levels = in.levels, .reg_max = head.reg_max, .targets = table, .options = options};
    args.result.foreground = foreground, args.result.gt_index = index, args.result.weight = weight;
    detection_assign(s, args);
    decode_predictions(s, {in.levels, head.reg_max, BoxFormat::kCorners, decoded});
    std::vector<float> values;
    for (const Tensor* r : {&foreground, &index, &weight, &decoded}) test::append(values, r->to_host(s));
    return values;
  });
  const float *foreground = all.data(), *index = foreground + fg.size(), *weight = index + fg.size();
  const float* decoded = weight + fg.size();
  const auto boxes = t.at(prefix + "pred_bboxes_px").floats();
  double box_error = 0;
  for (std::size_t i = 0; i < fg.size(); ++i) {
    if (exact || weight[i] > 0) {
      EXPECT_EQ(foreground[i], fg[i]) << prefix << i;
      EXPECT_EQ(index[i], gt[i]) << prefix << i;
    }
    for (int k = 0; k < 4; ++k) {
      box_error = std::max(box_error, std::abs(double{boxes[4 * i + k]} - double{decoded[i * (4 + head.nc) + k]}));
    }
  }
  EXPECT_TRUE(box_error <= 2e-5 * test::max_abs(boxes)) << prefix << box_error;
}

void check_single(Device device, const Tensors& t, const nlohmann::json& c) {
  const std::string name = c["case"];
  SCOPED_TRACE(name);
  Head head = read_head(t, c, "");
  const AssignOptions options{c["topk"], c["topk2"]};
  head.run(device, options);
  compare_vector(head.loss, t.at(name + "/loss_vector").floats(), "loss");
  compare_vector(head.items, golden_items(c), "items");
  compare_grads(t, name + "/", head);
  compare_assignment(device, t, c, "", head, options, !c["tie_order_changes_fg"].get<bool>());
}

/// Both branches weighted; the items reported are one2one's, or the sum in the older criterion.
void check_end_to_end(Device device, const Tensors& t, const nlohmann::json& c) {
  const std::string name = c["case"].get<std::string>() + "/epochs" + std::to_string(c["epochs"].get<int>()) +
                           "_epoch" + std::to_string(c["epoch"].get<int>()) + "/";
  SCOPED_TRACE(name);
  std::vector<float> loss(3, 0.0f), items(3, 0.0f);
  for (const std::string branch : {"o2m", "o2o"}) {
    Head head = read_head(t, c, branch + "/");
    const AssignOptions options{c["topk_" + branch], c["topk2_" + branch]};
    const float weight = c["weight_" + branch];
    head.run(device, options, weight);
    const bool reported = branch == "o2o" || c["criterion"] == "E2EDetectLoss";
    for (int k = 0; k < 3; ++k) {
      loss[k] += weight * head.loss[k];
      items[k] += reported ? head.items[k] : 0.0f;
    }
    compare_grads(t, name + branch + "/", head);
    compare_assignment(device, t, c, branch + "/", head, options, !c["tie_order_changes_fg"][branch].get<bool>());
  }
  compare_vector(loss, t.at(name + "loss_vector").floats(), "loss");
  compare_vector(items, golden_items(c), "items");
}

class DetectionLossGolden : public test::BackendTest {};

TEST_P(DetectionLossGolden, EveryCase) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/loss/loss.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/loss.json"));
  for (const auto& c : json["cases"]) {
    c["criterion"] == "detection" ? check_single(device(), tensors, c) : check_end_to_end(device(), tensors, c);
  }
}

INSTANTIATE_ON_BACKENDS(DetectionLossGolden);

}  // namespace
}  // namespace boxcar::kernels
