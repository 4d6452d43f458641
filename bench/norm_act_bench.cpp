// Normalisation and SiLU on one thread, the plain loops beside the vector code: run with
// --benchmark_enable_random_interleaving=true --benchmark_repetitions=5.
#include <benchmark/benchmark.h>

#include <vector>

#include "boxcar/kernels/norm_act/norm_act_plain.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"
#include "filled.h"

namespace boxcar::kernels {
namespace {

using Statistics = void (*)(Stream&, const BatchStatisticsArgs&);
using Forward = void (*)(Stream&, const NormActForwardArgs&);
using Backward = void (*)(Stream&, const NormActBackwardArgs&);

/// Tensors of a layer: `pixels` x `pixels` maps of some channels, in arguments' order.
struct Layer {
  Stream stream{Device::cpu(), {.threads = 1}};
  Shape shape;
  std::vector<float> gamma, beta, mean, var, saved;
  Tensor z, y, dy, dz;

  explicit Layer(const benchmark::State& state)
      : shape{2, static_cast<int>(state.range(0)), static_cast<int>(state.range(0)), static_cast<int>(state.range(1))},
        gamma(channels(), 1.0f),
        beta(channels(), 0.5f),
        mean(channels()),
        var(channels(), 1.0f),
        saved(2 * channels()) {
    z = filled(stream, shape);
    dy = filled(stream, shape);
    y = Tensor::zeros(stream, shape);
    dz = Tensor::zeros(stream, shape);
  }

  std::size_t channels() const { return static_cast<std::size_t>(shape.c); }
  Norm norm() { return {gamma.data(), beta.data(), mean.data(), var.data()}; }
  BatchStatisticsArgs statistics() { return {z, norm().statistics(saved.data())}; }
  NormActForwardArgs forward() { return {z, norm(), {ActKind::kSilu}, {}, {{{0, shape.c}, y}}, saved.data()}; }
  NormActBackwardArgs backward() {
    return {z, norm(), saved.data(), {ActKind::kSilu}, {{{0, shape.c}, dy}}, dz, gamma.data(), beta.data()};
  }
};

void forward(benchmark::State& state, Statistics statistics, Forward function) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) {
    statistics(layer.stream, layer.statistics());
    function(layer.stream, layer.forward());
  }
  state.SetBytesProcessed(state.iterations() * layer.shape.count() * 8);
}

void backward(benchmark::State& state, Backward function) {
  Layer layer(state);
  cpu::simd::batch_statistics(layer.stream, layer.statistics());
  std::vector<float> dgamma(layer.channels()), dbeta(layer.channels());
  NormActBackwardArgs args = layer.backward();
  args.dgamma = dgamma.data();
  args.dbeta = dbeta.data();
  for ([[maybe_unused]] auto unused : state) function(layer.stream, args);
  state.SetBytesProcessed(state.iterations() * layer.shape.count() * 12);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"map", "channels"})->Args({160, 16})->Args({80, 64})->Args({40, 128})->Args({20, 256})->Args({20, 80});
  b->Unit(benchmark::kMicrosecond);
}

BENCHMARK_CAPTURE(forward, plain, cpu::plain::batch_statistics, cpu::plain::norm_act_forward)->Apply(sizes);
BENCHMARK_CAPTURE(forward, simd, cpu::simd::batch_statistics, cpu::simd::norm_act_forward)->Apply(sizes);
BENCHMARK_CAPTURE(backward, plain, cpu::plain::norm_act_backward)->Apply(sizes);
BENCHMARK_CAPTURE(backward, simd, cpu::simd::norm_act_backward)->Apply(sizes);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
