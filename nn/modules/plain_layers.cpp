#include "boxcar/nn/modules/plain_layers.h"

#include "boxcar/nn/autograd/ops/structure.h"

namespace boxcar::nn {

Value Upsample::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  return upsample(context, inputs[0], factor_, places);
}

Value MaxPool::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  return max_pool(context, inputs[0], options_, places);
}

Value Concat::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  return concat(context, inputs, places);
}

Value Sequence::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  Value y = inputs[0];
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    y = layers_[i]->forward(context, {&y, 1}, i + 1 == layers_.size() ? places : std::span<const Place>{});
  }
  return y;
}

}  // namespace boxcar::nn
