#include "boxcar/nn/modules/bottleneck.h"

namespace boxcar::nn {

Bottleneck::Bottleneck(Module* parent, std::string name, int in, int out, BottleneckSettings s)
    : Layer(parent, std::move(name)),
      cv1_(this, "cv1", in, static_cast<int>(out * s.expansion), {.kernel = s.kernel1, .act = s.act}),
      cv2_(this, "cv2", cv1_.out_channels(), out, {.kernel = s.kernel2, .groups = s.groups, .act = s.act}),
      add_(s.shortcut && in == out) {}

Value Bottleneck::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const Value& x = inputs[0];
  const Value hidden = cv1_.forward(context, x);
  return cv2_.forward(context, hidden, add_ ? std::optional<Value>(x) : std::nullopt, places);
}

}  // namespace boxcar::nn
