#include "boxcar/kernels/common/machine_peaks.h"

#include <algorithm>
#include <cstring>

#include "boxcar/kernels/common/gemm.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {
namespace {

constexpr int kRuns = 4;

// Emulated kernels take minutes for what follows, and measure nothing.
bool is_emulated(const Stream& stream) { return stream.device().is_cuda() && cuda_is_emulated(); }

template <class Run>
double best_seconds(Stream& stream, Run&& run) {
  StreamEvent begin(stream.device(), {.timed = true}), end(stream.device(), {.timed = true});
  double best = 1e30;
  for (int i = 0; i < kRuns; ++i) {
    begin.record(stream);
    run();
    end.record(stream);
    best = std::min(best, 1e-3 * end.milliseconds_since(begin));
  }
  return best;
}

void copy(Stream& stream, const Tensor& from, const Tensor& to, std::int64_t bytes) {
  if (stream.device().is_cuda()) return stream.copy(to.as<char>(), from.as<char>(), static_cast<std::size_t>(bytes));
  parallel_for(stream.threads(), bytes, 1, [&](std::int64_t begin, std::int64_t end) {
    std::memcpy(to.as<char>() + begin, from.as<char>() + begin, static_cast<std::size_t>(end - begin));
  });
}

double copy_rate(Stream& stream) {
  const int bytes = is_emulated(stream) ? 1 << 20 : 128 << 20;
  const Tensor from = Tensor::zeros(stream, {1, 1, 1, bytes}, DType::kU8);
  const Tensor to = Tensor::zeros(stream, {1, 1, 1, bytes}, DType::kU8);
  return 2.0 * bytes / best_seconds(stream, [&] { copy(stream, from, to, bytes); });
}

double gemm_rate(Stream& stream) {
  const int size = is_emulated(stream) ? 64 : 1536;
  const Tensor a = Tensor::zeros(stream, {1, 1, size, size}), b = Tensor::zeros(stream, {1, 1, size, size});
  const Tensor c = Tensor::empty(stream, {1, 1, size, size});
  const double seconds = best_seconds(stream, [&] {
    gemm(stream, {.m = size,
                  .n = size,
                  .k = size,
                  .a = a.as(),
                  .lda = size,
                  .b = b.as(),
                  .ldb = size,
                  .c = c.as(),
                  .ldc = size});
  });
  return 2.0 * size * size * size / seconds;
}

}  // namespace

MachinePeaks measure_machine_peaks(Stream& stream) {
  MachinePeaks peaks{copy_rate(stream), gemm_rate(stream)};
  stream.pool()->release_unused();
  return peaks;
}

}  // namespace boxcar::kernels
