// Blocks that split channels, run branches in a chain and concatenate all stages: C2f, C3k2, C2fPSA.
#pragma once

#include "boxcar/nn/modules/bottleneck.h"

namespace boxcar::nn {

/// y0, y1 = halves of cv1(x); y_{j+2} = m.j(y_{j+1}); cv2([y0, y1, ...]). Children cv1, cv2, m.0, m.1, ...
/// Derived blocks add the branches, each from `hidden` to `hidden` channels.
class SplitChain : public Layer {
 public:
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;
  bool takes_parts(std::span<const int> channels) const override;

 protected:
  SplitChain(Module* parent, std::string name, int in, int out, int n, double expansion, Act act);
  int hidden() const { return hidden_; }
  void add_branch(std::unique_ptr<Layer> branch) { m_.push_back(std::move(branch)); }
  static std::string branch_name(int j) { return "m." + std::to_string(j); }

 private:
  int hidden_;
  ConvBnAct cv1_, cv2_;
  std::vector<std::unique_ptr<Layer>> m_;
};

struct C2fSettings {
  int n = 1;
  bool shortcut = false;
  int groups = 1;
  double expansion = 0.5;
  Act act = kSilu;
};

/// Branches are bottlenecks of full width (YOLOv8).
class C2f : public SplitChain {
 public:
  C2f(Module* parent, std::string name, int in, int out, C2fSettings settings = {});
};

struct C3k2Settings {
  int n = 1;
  bool c3k = false;  // branches are C3k blocks
  double expansion = 0.5;
  bool attention = false;  // branches are a bottleneck and a PSABlock; takes precedence over c3k
  int groups = 1;
  bool shortcut = true;
  Act act = kSilu;
};

/// Branches are bottlenecks of half width, C3k blocks, or attention (YOLO11).
class C3k2 : public SplitChain {
 public:
  C3k2(Module* parent, std::string name, int in, int out, C3k2Settings settings = {});
};

}  // namespace boxcar::nn
