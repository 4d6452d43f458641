#include "boxcar/kernels/common/machine_peaks.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "boxcar/kernels/common/gemm.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {
namespace {

template <class Run>
double best_seconds(int runs, Run&& run) {
  double best = 1e30;
  for (int i = 0; i < runs; ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

double copy_rate(Stream& stream) {
  constexpr std::int64_t kBytes = 128 << 20;
  const Tensor from = Tensor::zeros(stream, {1, 1, 1, kBytes}, DType::kU8);
  const Tensor to = Tensor::zeros(stream, {1, 1, 1, kBytes}, DType::kU8);
  const double seconds = best_seconds(4, [&] {
    parallel_for(stream.threads(), kBytes, 1, [&](std::int64_t begin, std::int64_t end) {
      std::memcpy(to.as<char>() + begin, from.as<char>() + begin, static_cast<std::size_t>(end - begin));
    });
  });
  return 2.0 * kBytes / seconds;
}

double gemm_rate(Stream& stream) {
  constexpr int kSize = 1536;
  const Tensor a = Tensor::zeros(stream, {1, 1, kSize, kSize}), b = Tensor::zeros(stream, {1, 1, kSize, kSize});
  const Tensor c = Tensor::empty(stream, {1, 1, kSize, kSize});
  const double seconds = best_seconds(4, [&] {
    gemm(stream, {.m = kSize,
                  .n = kSize,
                  .k = kSize,
                  .a = a.as(),
                  .lda = kSize,
                  .b = b.as(),
                  .ldb = kSize,
                  .c = c.as(),
                  .ldc = kSize});
  });
  return 2.0 * kSize * kSize * kSize / seconds;
}

}  // namespace

MachinePeaks measure_machine_peaks(Stream& stream) {
  MachinePeaks peaks{copy_rate(stream), gemm_rate(stream)};
  stream.pool()->release_unused();
  return peaks;
}

}  // namespace boxcar::kernels
