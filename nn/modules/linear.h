// Layers of tables: a matrix product with bias, and normalisation of each row.
#pragma once

#include "boxcar/nn/modules/module.h"

namespace boxcar::nn {

/// y = x W^T + b on the channels of every pixel: [N,H,W,in] -> [N,H,W,out]. State: weight [out,in], bias [out]. Starts
/// uniform in +-1/sqrt(in), the bias 0. Throws ArgumentError for sizes below 1 and ShapeError for an input of other
/// channels.
class Linear : public Module {
 public:
  Linear(Module* parent, std::string name, int in, int out);
  Value forward(Context& context, const Value& x);

 private:
  int in_, out_;
  Parameter& weight_;
  Parameter& bias_;
};

/// y = (x - mean) / sqrt(variance + eps) * weight + bias with the mean and the (biased) variance over the channels of
/// each pixel; Ba, Kiros, Hinton: "Layer normalization" (2016). State: weight (1), bias (0), [channels] each. Throws
/// as Linear.
class LayerNorm : public Module {
 public:
  LayerNorm(Module* parent, std::string name, int channels, float eps = 1e-5f);
  Value forward(Context& context, const Value& x);

 private:
  int channels_;
  float eps_;
  Parameter& weight_;
  Parameter& bias_;
};

}  // namespace boxcar::nn
