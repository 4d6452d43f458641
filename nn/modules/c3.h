// Cross-stage blocks with two parallel 1x1 convolutions (Wang et al., "CSPNet", 2019).
#pragma once

#include "boxcar/nn/modules/bottleneck.h"

namespace boxcar::nn {

struct C3Settings {
  int n = 1;
  bool shortcut = true;
  int groups = 1;
  double expansion = 0.5;        // hidden channels = int(out * expansion)
  int kernel1 = 1, kernel2 = 3;  // of the bottlenecks; C3k has 3 and 3
  Act act = kSilu;
};

/// cv3([m(cv1(x)), cv2(x)]). Children cv1, cv2, cv3, m.0, m.1, ...
class C3 : public Layer {
 public:
  C3(Module* parent, std::string name, int in, int out, C3Settings settings = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;
  bool takes_parts(std::span<const int> channels) const override;

 private:
  int hidden_;
  ConvBnAct cv1_, cv2_, cv3_;
  std::vector<std::unique_ptr<Bottleneck>> m_;
};

}  // namespace boxcar::nn
