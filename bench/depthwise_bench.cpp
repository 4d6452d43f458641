// Depthwise 3x3 convolution on one thread, the plain loops beside the vector code.
#include <benchmark/benchmark.h>

#include <vector>

#include "boxcar/kernels/conv/depthwise.h"
#include "boxcar/kernels/conv/depthwise_plain.h"

namespace boxcar::kernels {
namespace {

/// Two images of map x map pixels.
struct Layer {
  Stream stream{Device::cpu(), {.threads = 1}};
  ConvOptions options;
  Tensor x, w, y, dw;

  explicit Layer(const benchmark::State& state) {
    const int map = static_cast<int>(state.range(0)), channels = static_cast<int>(state.range(1));
    options = {3, 1, 1, 1, channels};
    x = Tensor::zeros(stream, {2, map, map, channels});
    y = Tensor::zeros(stream, {2, map, map, channels});
    w = Tensor::zeros(stream, conv_weight_shape(channels, channels, options));
    dw = Tensor::zeros(stream, w.shape());
  }
};

void forward(benchmark::State& state, void (*function)(Stream&, const ConvForwardArgs&)) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) {
    function(layer.stream, {layer.x, layer.w, nullptr, layer.y, layer.options});
  }
}

void backward_input(benchmark::State& state, void (*function)(Stream&, const ConvBackwardInputArgs&)) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) function(layer.stream, {layer.y, layer.w, layer.x, layer.options});
}

void backward_weight(benchmark::State& state, void (*function)(Stream&, const ConvBackwardWeightArgs&)) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) {
    function(layer.stream, {layer.x, layer.y, layer.dw, nullptr, layer.options});
  }
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"map", "channels"})->Args({80, 64})->Args({40, 80})->Args({20, 256})->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(forward, plain, cpu::plain::depthwise_forward)->Apply(sizes);
BENCHMARK_CAPTURE(forward, simd, cpu::depthwise_forward)->Apply(sizes);
BENCHMARK_CAPTURE(backward_input, plain, cpu::plain::depthwise_backward_input)->Apply(sizes);
BENCHMARK_CAPTURE(backward_input, simd, cpu::depthwise_backward_input)->Apply(sizes);
BENCHMARK_CAPTURE(backward_weight, plain, cpu::plain::depthwise_backward_weight)->Apply(sizes);
BENCHMARK_CAPTURE(backward_weight, simd, cpu::depthwise_backward_weight)->Apply(sizes);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
