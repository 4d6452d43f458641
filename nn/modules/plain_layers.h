// Layers without parameters that a model YAML can name.
#pragma once

#include "boxcar/kernels/pool/max_pool.h"
#include "boxcar/nn/modules/module.h"

namespace boxcar::nn {

/// nn.Upsample: nearest neighbour by a whole factor.
class Upsample : public Layer {
 public:
  Upsample(Module* parent, std::string name, int factor) : Layer(parent, std::move(name)), factor_(factor) {}
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  int factor_;
};

/// nn.MaxPool2d.
class MaxPool : public Layer {
 public:
  MaxPool(Module* parent, std::string name, kernels::PoolOptions options)
      : Layer(parent, std::move(name)), options_(options) {}
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  kernels::PoolOptions options_;
};

/// nn.Identity.
class Identity : public Layer {
 public:
  using Layer::Layer;
  Value forward(Context&, std::span<const Value> inputs, std::span<const Place>) override { return inputs[0]; }
};

/// Concat over channels.
class Concat : public Layer {
 public:
  using Layer::Layer;
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;
};

/// Layers one after another: name.0, name.1, ...
class Sequence : public Layer {
 public:
  using Layer::Layer;
  void append(std::unique_ptr<Layer> layer) { layers_.push_back(std::move(layer)); }
  Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) override;

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace boxcar::nn
