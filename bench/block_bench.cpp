// The backward pass of a 1x1 convolution with normalisation and SiLU: in one, beside its three passes.
#include <benchmark/benchmark.h>

#include <vector>

#include "boxcar/kernels/conv/conv_norm_act_backward.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "filled.h"

namespace boxcar::kernels {
namespace {

struct Block {
  Stream stream{Device::cpu(), {.threads = available_threads()}};
  Tensor x, z, dy, dz, dx, w, dw;
  std::vector<float> ones, zeros, saved, dgamma, dbeta;

  explicit Block(const benchmark::State& state) {
    const auto size = [&](int i) { return static_cast<int>(state.range(i)); };
    const Shape from{size(0), size(1), size(1), size(2)}, to{size(0), size(1), size(1), size(3)};
    const DType type = state.range(4) == 16 ? DType::kBF16 : DType::kF32;
    x = filled(stream, from, type);
    dx = filled(stream, from, type);
    z = filled(stream, to, type);
    dy = filled(stream, to, type);
    dz = filled(stream, to, type);
    w = filled(stream, {to.c, 1, 1, from.c});
    dw = filled(stream, w.shape());
    const auto channels = static_cast<std::size_t>(to.c);
    ones.assign(channels, 1.0f);
    zeros.assign(channels, 0.0f);
    saved.assign(2 * channels, 1.0f);
    dgamma = dbeta = zeros;
  }
  NormActBackwardArgs norm() {
    return {z,
            {ones.data(), zeros.data()},
            saved.data(),
            {ActKind::kSilu},
            {{{0, z.shape().c}, dy}},
            dz,
            dgamma.data(),
            dbeta.data()};
  }
};

void separate(benchmark::State& state) {
  Block b(state);
  for ([[maybe_unused]] auto unused : state) {
    norm_act_backward(b.stream, b.norm());
    conv_backward_weight(b.stream, {b.x, b.dz, b.dw, nullptr, {}});
    conv_backward_input(b.stream, {b.dz, b.w, b.dx, {}});
  }
}

void fused(benchmark::State& state) {
  Block b(state);
  for ([[maybe_unused]] auto unused : state) {
    conv_norm_act_backward(b.stream, {b.norm(), b.x, b.w, {}, b.dx.view(), b.dw.view()});
  }
}

void sizes(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "map", "from", "to", "bits"})->Unit(benchmark::kMillisecond)->UseRealTime();
  for (const int bits : {32, 16}) {
    b->Args({16, 160, 48, 64, bits})->Args({16, 160, 32, 32, bits})->Args({16, 80, 96, 128, bits});
    b->Args({16, 80, 64, 64, bits})->Args({4, 20, 256, 512, bits})->Args({4, 40, 256, 256, bits});
    b->Args({16, 40, 128, 128, bits})->Args({16, 40, 384, 128, bits})->Args({16, 20, 256, 256, bits});
  }
}

BENCHMARK(separate)->Apply(sizes);
BENCHMARK(fused)->Apply(sizes);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
