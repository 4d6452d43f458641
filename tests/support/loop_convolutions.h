// An engine whose plans convolve by loops, on emulated CUDA.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "boxcar/runtime/device/backend.h"
#include "support/fake_convolutions.h"

namespace boxcar::test {

inline float get(const void* data, DType dtype, std::int64_t i) {
  return dtype == DType::kBF16 ? static_cast<float>(static_cast<const bfloat16*>(data)[i])
                               : static_cast<const float*>(data)[i];
}
inline void put(void* data, DType dtype, std::int64_t i, float value) {
  if (dtype == DType::kBF16) {
    static_cast<bfloat16*>(data)[i] = bfloat16(value);
  } else {
    static_cast<float*>(data)[i] = value;
  }
}

// Calls f(index in x, in w, in y) for each product of a convolution.
template <class F>
void for_each_product(const kernels::ConvProblem& p, const F& f) {
  const kernels::ConvOptions& o = p.options;
  for (int n = 0; n < p.y.n; ++n) {
    for (int at = 0; at < p.y.h * p.y.w * p.y.c * o.kernel * o.kernel * p.x.c; ++at) {
      int rest = at;
      const auto next = [&rest](int size) {
        const int i = rest % size;
        rest /= size;
        return i;
      };
      const int c = next(p.x.c), kx = next(o.kernel), ky = next(o.kernel), out = next(p.y.c), x = next(p.y.w), y = rest;
      const int row = y * o.stride - o.padding + ky, column = x * o.stride - o.padding + kx;
      if (row < 0 || row >= p.x.h || column < 0 || column >= p.x.w) continue;
      f(((std::int64_t{n} * p.x.h + row) * p.x.w + column) * p.x.c + c,
        ((std::int64_t{out} * o.kernel + ky) * o.kernel + kx) * p.x.c + c,
        ((std::int64_t{n} * p.y.h + y) * p.y.w + x) * p.y.c + out);
    }
  }
}

inline void convolve(const kernels::ConvProblem& p, const kernels::ConvOperands& o) {
  const bool forward = p.pass == kernels::ConvPass::kForward, input = p.pass == kernels::ConvPass::kBackwardInput;
  const Shape result = forward ? p.y : input ? p.x : Shape{p.y.c, p.options.kernel, p.options.kernel, p.x.c};
  std::vector<float> sums(static_cast<std::size_t>(result.count()));
  for_each_product(p, [&](std::int64_t x, std::int64_t w, std::int64_t y) {
    if (forward) {
      sums[static_cast<std::size_t>(y)] += get(o.x, p.type, x) * get(o.w, p.type, w);
    } else if (input) {
      sums[static_cast<std::size_t>(x)] += get(o.y, p.type, y) * get(o.w, p.type, w);
    } else {
      sums[static_cast<std::size_t>(w)] += get(o.x, p.type, x) * get(o.y, p.type, y);
    }
  });
  for (std::int64_t i = 0; i < result.count(); ++i) {
    const float bias = p.bias ? o.bias[i % p.y.c] : 0.0f;
    put(forward ? o.y : input ? o.x : o.w, p.result, i, sums[static_cast<std::size_t>(i)] + bias);
  }
}

/// Has a plan for each convolution of one group that activates nothing.
inline std::unique_ptr<kernels::ConvEngine> loop_engine(std::shared_ptr<FakeEngine::Counts> counts) {
  const auto plans = [](const kernels::ConvProblem& problem) -> std::vector<FakePlan> {
    if (problem.options.groups != 1 || problem.act != kernels::ActKind::kIdentity) return {};
    // At its place in the stream; like a library it is not waited for.
    const auto run = [problem](Stream& stream, const kernels::ConvOperands& operands) {
      stream.backend().enqueue("loops", [=] { convolve(problem, operands); });
    };
    return {{"loops", run}};
  };
  return std::make_unique<FakeEngine>("libloops 1", plans, std::move(counts));
}

}  // namespace boxcar::test
