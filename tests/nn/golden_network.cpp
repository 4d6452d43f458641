#include "nn/golden_network.h"

namespace boxcar::test {

NamedTensors state_of(const Golden& golden, const std::string& prefix) {
  NamedTensors state;
  for (const auto& [name, t] : golden) {
    if (name.starts_with(prefix)) state.emplace_back(name.substr(prefix.size()), HostTensor{t.dtype, t.shape, t.bytes});
  }
  return state;
}

Tensor image(Stream& stream, const GoldenTensor& t) {
  const auto& s = t.shape;
  const Shape shape{int(s[0]), int(s[2]), int(s[3]), int(s[1])};
  return Tensor::from(stream, shape, to_nhwc(t.floats(), shape.n, shape.c, shape.h, shape.w));
}

std::vector<float> as_nchw(const Tensor& t, Stream& stream) {
  const Shape s = t.shape();
  return to_nchw(t.to_host(stream), s.n, s.h, s.w, s.c);
}

std::vector<float> head_map(const Outputs& outputs, std::size_t which, Stream& stream) {
  const auto images = std::size_t(outputs[0].shape().n), channels = std::size_t(outputs[which].shape().c);
  std::vector<std::vector<float>> levels;
  for (std::size_t i = which; i < outputs.size(); i += 2) levels.push_back(as_nchw(outputs[i].packed(), stream));
  std::vector<float> all;
  for (std::size_t row = 0; row < images * channels; ++row) {
    for (const std::vector<float>& level : levels) {
      const auto cells = std::ptrdiff_t(level.size() / (images * channels)), first = std::ptrdiff_t(row) * cells;
      all.insert(all.end(), level.begin() + first, level.begin() + first + cells);
    }
  }
  return all;
}

void add_head_grad(const Outputs& outputs, std::size_t which, const GoldenTensor& grad, Stream& stream) {
  const std::vector<float> g = grad.floats();
  const auto channels = std::size_t(grad.shape[1]), anchors = std::size_t(grad.shape[2]);
  std::size_t first = 0;
  for (std::size_t i = which; i < outputs.size(); i += 2) {
    const Shape s = outputs[i].shape();
    const auto cells = std::size_t(s.h) * std::size_t(s.w);
    std::vector<float> host(std::size_t(s.count()));
    for (std::size_t k = 0; k < host.size(); ++k) {
      const std::size_t c = k % channels, pixel = k / channels;
      host[k] = g[((pixel / cells) * channels + c) * anchors + first + pixel % cells];
    }
    outputs[i].add_grad(stream, Tensor::from(stream, s, host), nn::Own::kShared);
    first += cells;
  }
}

}  // namespace boxcar::test
