#include "boxcar/nn/modules/spp.h"

#include "boxcar/nn/autograd/ops/structure.h"

namespace boxcar::nn {
namespace {

kernels::PoolOptions same_size(int kernel) { return {kernel, 1, kernel / 2}; }

}  // namespace

Spp::Spp(Module* parent, std::string name, int in, int out, std::vector<int> kernels, Act act)
    : Layer(parent, std::move(name)),
      kernels_(std::move(kernels)),
      cv1_(this, "cv1", in, in / 2, {.act = act}),
      cv2_(this, "cv2", in / 2 * (1 + static_cast<int>(kernels_.size())), out, {.act = act}) {}

Value Spp::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const int c = cv1_.out_channels();
  const Wide wide(cv2_.in_channels());
  const Place first{wide, 0, {0, c}};
  std::vector<Value> parts{cv1_.forward(context, inputs[0], {}, {&first, 1})};
  for (const int kernel : kernels_) {
    const Place place{wide, static_cast<int>(parts.size()) * c, {0, c}};
    parts.push_back(max_pool(context, parts.front(), same_size(kernel), {&place, 1}));
  }
  return cv2_.forward(context, concat(context, parts), {}, places);
}

Sppf::Sppf(Module* parent, std::string name, int in, int out, SppfSettings s)
    : Layer(parent, std::move(name)),
      settings_(s),
      cv1_(this, "cv1", in, in / 2, {.act = s.cv1_act}),
      cv2_(this, "cv2", in / 2 * (s.n + 1), out, {.act = s.act}),
      add_(s.shortcut && in == out) {}

Value Sppf::forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) {
  const int c = cv1_.out_channels();
  const Wide wide(cv2_.in_channels());
  const Place first{wide, 0, {0, c}};
  std::vector<Value> parts{cv1_.forward(context, inputs[0], {}, {&first, 1})};
  for (int j = 0; j < settings_.n; ++j) {
    const Place place{wide, (j + 1) * c, {0, c}};
    parts.push_back(max_pool(context, parts.back(), same_size(settings_.kernel), {&place, 1}));
  }
  return cv2_.forward(context, concat(context, parts), add_ ? std::optional<Value>(inputs[0]) : std::nullopt, places);
}

}  // namespace boxcar::nn
