// The anchor-free detection head: box distances and class logits at each level.
#pragma once

#include "boxcar/nn/modules/conv.h"

namespace boxcar::nn {

/// What a model's forward returns; of the Detect head: box_dist and cls_logits of each level,
/// finest level first: {box_0, cls_0, box_1, cls_1, ...}, box [N,h,w,4*reg_max], cls [N,h,w,nc].
using Outputs = std::vector<Value>;

struct DetectSettings {
  int reg_max = 16;     // bins of a box side's distance distribution (Li et al., "Generalized focal loss", 2020)
  bool legacy = false;  // class branches of full convolutions (YOLOv5, YOLOv8)
  int class_width = 0;  // inner channels of the class branches; 0: max(channels[0], min(nc, 100))
  Act act = kSilu;
};

/// Children cv2.i (boxes) and cv3.i (classes) of each level i, and dfl: the bins 0..reg_max-1, which
/// are part of the state dict and never trained.
class Detect : public Module {
 public:
  Detect(Module* parent, std::string name, int nc, std::vector<int> channels, DetectSettings settings = {});

  /// One feature map a level, finest first.
  Outputs forward(Context& context, std::span<const Value> features);
  Outputs forward(Context& context, std::initializer_list<Value> features);

  int nc() const { return nc_; }
  int reg_max() const { return settings_.reg_max; }
  /// Input channels of the levels.
  const std::vector<int>& channels() const { return channels_; }
  bool legacy() const { return settings_.legacy; }
  int class_width() const { return settings_.class_width; }
  /// Makes the class branches anew with another width, as the weights to load have it. Returns false, and does nothing,
  /// where the head's values have their place already.
  bool rebuild_class_branches(int width);
  int levels() const { return static_cast<int>(channels_.size()); }
  const std::vector<int>& strides() const { return strides_; }
  /// Also sets the initial biases: 2 for boxes, log(5 / nc / (640 / stride)^2) for classes, about
  /// five objects in a 640-pixel image at the start.
  void set_strides(std::vector<int> strides);
  /// Whether forward() was ever called; a head nobody calls is not the model's.
  bool used() const { return used_; }

 private:
  using Branch = std::vector<std::unique_ptr<ConvBnAct>>;
  void add_box_branch(int level, int width);
  void add_class_branch(int level, int width);
  void add_class_branches();

  int nc_;
  std::vector<int> channels_, strides_;
  DetectSettings settings_;
  std::vector<Branch> box_, cls_;
  std::vector<std::unique_ptr<Conv>> box_out_, cls_out_;
  std::unique_ptr<Module> dfl_;
  bool used_ = false;
};

}  // namespace boxcar::nn
