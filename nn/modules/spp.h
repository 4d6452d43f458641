// Spatial pyramid pooling (He et al., 2014): max pools of growing reach side by side.
#pragma once

#include "boxcar/nn/modules/conv.h"

namespace boxcar::nn {

/// z = cv1(x); cv2([z, pool_k(z) for each k]). Children cv1, cv2.
class Spp : public Layer {
 public:
  Spp(Module* parent, std::string name, int in, int out, std::vector<int> kernels, Act act = kSilu);
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  std::vector<int> kernels_;
  ConvBnAct cv1_, cv2_;
};

struct SppfSettings {
  int kernel = 5;
  int n = 3;
  bool shortcut = false;
  Act cv1_act = kSilu;
  Act act = kSilu;
};

/// z0 = cv1(x), z_{j+1} = pool_k(z_j); cv2([z0, ..., zn]) (+ x). Children cv1, cv2.
class Sppf : public Layer {
 public:
  Sppf(Module* parent, std::string name, int in, int out, SppfSettings settings = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  SppfSettings settings_;
  ConvBnAct cv1_, cv2_;
  bool add_;
};

}  // namespace boxcar::nn
