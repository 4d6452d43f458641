// Dense 3x3 convolutions: Winograd's filtering beside the library's direct sums. FLOP are those of the
// direct sum for both.
#include <benchmark/benchmark.h>

#include "boxcar/kernels/conv/conv_onednn.h"
#include "boxcar/kernels/conv/narrow.h"
#include "boxcar/kernels/conv/winograd.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "filled.h"

namespace boxcar::kernels {
namespace {

struct Layer {
  Stream stream{Device::cpu(), {.threads = available_threads()}};
  ConvOptions options;
  Tensor x, w, y, dw;

  explicit Layer(const benchmark::State& state) {
    const auto size = [&](int i) { return static_cast<int>(state.range(i)); };
    const DType type = state.range(6) == 16 ? DType::kBF16 : DType::kF32;
    x = filled(stream, {size(0), size(1), size(1), size(2)}, type);
    options = {.kernel = size(4), .stride = size(5), .padding = size(4) / 2};
    y = filled(stream, conv_output_shape(x.shape(), size(3), options), type);
    w = filled(stream, conv_weight_shape(size(2), size(3), options));
    dw = filled(stream, w.shape());
  }
};

template <class Run>
void measure(benchmark::State& state, Run&& run) {
  Layer layer(state);
  for ([[maybe_unused]] auto unused : state) run(layer);
  const double flop =
      2.0 * static_cast<double>(layer.y.count()) * layer.w.shape().h * layer.w.shape().w * layer.x.shape().c;
  state.counters["FLOP/s"] = benchmark::Counter(flop, benchmark::Counter::kIsIterationInvariantRate);
}

void forward(benchmark::State& state, void (*function)(Stream&, const ConvForwardArgs&)) {
  measure(state, [&](Layer& l) { function(l.stream, {l.x, l.w, nullptr, l.y, l.options}); });
}

void backward_input(benchmark::State& state, void (*function)(Stream&, const ConvBackwardInputArgs&)) {
  measure(state, [&](Layer& l) { function(l.stream, {l.y, l.w, l.x, l.options}); });
}

void backward_weight(benchmark::State& state, void (*function)(Stream&, const ConvBackwardWeightArgs&)) {
  measure(state, [&](Layer& l) { function(l.stream, {l.x, l.y, l.dw, nullptr, l.options}); });
}

void name_arguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"images", "map", "from", "to", "kernel", "stride", "bits"})
      ->Unit(benchmark::kMillisecond)
      ->UseRealTime();
}

// Layers of yolo11n and yolo11m.
void unit_stride(benchmark::internal::Benchmark* b) {
  name_arguments(b);
  for (const int bits : {32, 16}) {
    b->Args({16, 80, 64, 64, 3, 1, bits})
        ->Args({16, 80, 32, 16, 3, 1, bits})
        ->Args({16, 40, 32, 32, 3, 1, bits})
        ->Args({16, 40, 128, 64, 3, 1, bits})
        ->Args({16, 20, 64, 64, 3, 1, bits})
        ->Args({16, 20, 256, 64, 3, 1, bits})
        ->Args({4, 160, 64, 64, 3, 1, bits})
        ->Args({4, 40, 128, 128, 3, 1, bits});
  }
}

void stride_two(benchmark::internal::Benchmark* b) {
  name_arguments(b);
  b->Args({16, 160, 64, 64, 3, 2, 32})
      ->Args({16, 80, 128, 128, 3, 2, 32})
      ->Args({16, 320, 16, 32, 3, 2, 32})
      ->Args({4, 320, 32, 64, 3, 2, 32})
      ->Args({16, 40, 128, 256, 3, 2, 32});
}

void sizes(benchmark::internal::Benchmark* b) {
  unit_stride(b);
  stride_two(b);
}

// Layers of few channels, of yolo11n and yolo11s.
void narrow_sizes(benchmark::internal::Benchmark* b) {
  name_arguments(b);
  b->Args({16, 640, 3, 16, 3, 2, 32})->Args({16, 160, 16, 8, 3, 1, 32})->Args({16, 160, 8, 16, 3, 1, 32});
  b->Args({16, 320, 16, 32, 3, 2, 32})->Args({4, 320, 32, 64, 3, 2, 32});
}

void narrow_forward(Stream& stream, const ConvForwardArgs& args) {
  cpu::narrow_forward(stream, args, cpu::ConvEpilogue::store(args.y));
}

BENCHMARK_CAPTURE(forward, library, cpu::onednn_conv_forward)->Apply(sizes);
BENCHMARK_CAPTURE(forward, winograd, cpu::winograd_forward)->Apply(sizes);
BENCHMARK_CAPTURE(forward, library_of_few, cpu::onednn_conv_forward)->Apply(narrow_sizes);
BENCHMARK_CAPTURE(forward, narrow, narrow_forward)->Apply(narrow_sizes);
BENCHMARK_CAPTURE(backward_input, library, cpu::onednn_conv_backward_input)->Apply(sizes);
BENCHMARK_CAPTURE(backward_input, winograd, cpu::winograd_backward_input)->Apply(sizes);
BENCHMARK_CAPTURE(backward_weight, library, cpu::onednn_conv_backward_weight)->Apply(sizes);
BENCHMARK_CAPTURE(backward_weight, winograd, cpu::winograd_backward_weight)->Apply(sizes);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
