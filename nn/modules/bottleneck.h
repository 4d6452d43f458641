// Two convolutions with a shortcut (He et al., 2015).
#pragma once

#include "boxcar/nn/modules/conv.h"

namespace boxcar::nn {

struct BottleneckSettings {
  bool shortcut = true;  // adds the input where its channels equal the output's
  int groups = 1;        // of the second convolution
  int kernel1 = 3, kernel2 = 3;
  double expansion = 0.5;  // hidden channels = int(out * expansion)
  Act act = kSilu;
};

/// [N,H,W,in] -> [N,H,W,out]. Children cv1, cv2.
class Bottleneck : public Layer {
 public:
  Bottleneck(Module* parent, std::string name, int in, int out, BottleneckSettings settings = {});
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  ConvBnAct cv1_, cv2_;
  bool add_;
};

}  // namespace boxcar::nn
