// Max pooling 5x5 on one thread, the plain loops beside the vector code.
#include <benchmark/benchmark.h>

#include <vector>

#include "boxcar/kernels/pool/max_pool_plain.h"

namespace boxcar::kernels {
namespace {

/// SPPF's pooling of four images.
struct Layer {
  Stream stream{Device::cpu(), {.threads = 1}};
  PoolOptions options{5, 1, 2};
  Tensor x, y;
  std::vector<std::uint8_t> winners;

  explicit Layer(const benchmark::State& state) {
    const Shape shape{4, 20, 20, static_cast<int>(state.range(0))};
    std::vector<float> values(static_cast<std::size_t>(shape.count()));
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i * 7919 % 2003);
    x = Tensor::from(stream, shape, values);
    y = Tensor::zeros(stream, shape);
    winners.resize(values.size());
  }
};

void forward(benchmark::State& state, void (*function)(Stream&, const MaxPoolForwardArgs&)) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) {
    function(layer.stream, {layer.x, layer.y, layer.winners.data(), layer.options});
  }
}

void backward(benchmark::State& state, void (*function)(Stream&, const MaxPoolBackwardArgs&)) {
  Layer layer(state);
  max_pool_forward(layer.stream, {layer.x, layer.y, layer.winners.data(), layer.options});
  for ([[maybe_unused]] auto unused : state) {
    function(layer.stream, {layer.x, layer.winners.data(), layer.y, layer.options});
  }
}

BENCHMARK_CAPTURE(forward, plain, cpu::plain::max_pool_forward)->Arg(64)->Arg(128)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(forward, simd, max_pool_forward)->Arg(64)->Arg(128)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(backward, plain, cpu::plain::max_pool_backward)->Arg(64)->Arg(128)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(backward, simd, max_pool_backward)->Arg(64)->Arg(128)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
