#include "boxcar/kernels/optim/muon.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <memory_resource>
#include <numeric>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/gemm.h"
#include "boxcar/kernels/optim/muon_math.h"
#include "boxcar/kernels/optim/optim_rules.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

float scale_of(double a, double b) { return static_cast<float>(std::sqrt(std::max(1.0, a / b))); }

/// to[c][r] = from[r][c], by small tiles that stay in the cache.
void transpose(const float* from, std::int64_t rows, std::int64_t columns, float* to) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kTile) {
    for (std::int64_t c0 = 0; c0 < columns; c0 += kTile) {
      for (std::int64_t r = r0; r < std::min(rows, r0 + kTile); ++r) {
        for (std::int64_t c = c0; c < std::min(columns, c0 + kTile); ++c) to[c * rows + r] = from[r * columns + c];
      }
    }
  }
}

/// Newton-Schulz of one matrix on one thread. A wide matrix is transposed first, which the iteration commutes with, so
/// that there is one form to write and the square products are the small ones.
class Iteration {
 public:
  /// Memory is that of `stream`.
  Iteration(const Stream& stream, std::int64_t rows, std::int64_t columns)
      : rows_(rows),
        columns_(columns),
        long_(static_cast<int>(std::max(rows, columns))),
        short_(static_cast<int>(std::min(rows, columns))),
        x_(std::size_t(rows) * columns, stream.scratch()),
        next_(x_.size(), stream.scratch()),
        q_(std::size_t(short_) * short_, stream.scratch()),
        polynomial_(q_.size(), stream.scratch()) {}

  void run(const float* in, float* out);

 private:
  void load(const float* in);
  void step();

  Stream serial_{Device::cpu(), {.threads = 1}};
  std::int64_t rows_, columns_;
  int long_, short_;
  std::pmr::vector<float> x_, next_;        // [long][short]
  std::pmr::vector<float> q_, polynomial_;  // [short][short]
};

/// x = in / (|in| + 1e-7), tall.
void Iteration::load(const float* in) {
  double sum = 0.0;
  for (std::size_t i = 0; i < x_.size(); ++i) sum += double{in[i]} * double{in[i]};
  const auto inverse = static_cast<float>(1.0 / (std::sqrt(sum) + kNewtonSchulzEps));
  if (rows_ < columns_) {
    transpose(in, rows_, columns_, x_.data());
  } else {
    std::copy(in, in + x_.size(), x_.begin());
  }
  for (float& v : x_) v *= inverse;
}

/// x = 3.4445 x + x (-4.7750 Q + 2.0315 Q Q), Q = x^T x.
void Iteration::step() {
  gemm(serial_,
       {true, false, short_, short_, long_, 1.0f, x_.data(), short_, x_.data(), short_, 0.0f, q_.data(), short_});
  polynomial_ = q_;
  gemm(serial_, {false, false, short_, short_, short_, kNewtonSchulzC, q_.data(), short_, q_.data(), short_,
                 kNewtonSchulzB, polynomial_.data(), short_});
  next_ = x_;
  gemm(serial_, {false, false, long_, short_, short_, 1.0f, x_.data(), short_, polynomial_.data(), short_,
                 kNewtonSchulzA, next_.data(), short_});
  std::swap(x_, next_);
}

void Iteration::run(const float* in, float* out) {
  load(in);
  for (int k = 0; k < kNewtonSchulzSteps; ++k) step();
  if (rows_ < columns_) {
    transpose(x_.data(), columns_, rows_, out);
  } else {
    std::copy(x_.begin(), x_.end(), out);
  }
}

void step_matrix(Stream& stream, const MuonStepArgs& args, const MuonRange& range, float factor) {
  const std::int64_t count = range.matrix.rows * range.matrix.columns;
  const UpdateCoefficients c = args.coefficients->groups[range.group];
  float* p = args.values + range.offset;
  const float* g = args.grads + range.offset;
  float *u = args.momentum + range.offset, *b = args.sgd_momentum + range.offset;
  std::pmr::vector<float> direction(static_cast<std::size_t>(count), stream.scratch());
  for (std::int64_t i = 0; i < count; ++i) direction[i] = muon_direction(c, g[i] * factor, u[i]);
  Iteration(stream, range.matrix.rows, range.matrix.columns).run(direction.data(), direction.data());
  for (std::int64_t i = 0; i < count; ++i) muon_apply(c, range.matrix.scale, direction[i], g[i] * factor, p[i], b[i]);
}

/// Indices by falling cost, so that no thread is left with a large matrix at the end.
std::pmr::vector<int> by_cost(Stream& stream, std::span<const MuonRange> ranges) {
  std::pmr::vector<int> order(ranges.size(), stream.scratch());
  std::iota(order.begin(), order.end(), 0);
  const auto cost = [&](int i) {
    const MuonMatrix& m = ranges[i].matrix;
    return m.rows * m.columns * std::min(m.rows, m.columns);
  };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return cost(a) > cost(b); });
  return order;
}

}  // namespace

MuonMatrix muon_convolution(const Shape& weight, bool depthwise) {
  const std::int64_t taps = std::int64_t{weight.h} * weight.w;
  const float scale = scale_of(weight.h, weight.w);
  if (depthwise) return {taps, weight.c, scale};
  return {weight.n, taps * weight.c, scale};
}

MuonMatrix muon_linear(std::int64_t out, std::int64_t in) { return {out, in, scale_of(double(out), double(in))}; }

namespace cpu {

void newton_schulz(Stream& stream, const NewtonSchulzArgs& args) {
  Iteration(stream, args.rows, args.columns).run(args.in, args.out);
}

void muon_step(Stream& stream, const MuonStepArgs& args) {
  const float factor = args.norm ? args.norm->factor : 1.0f;
  if (is_skipped(*args.coefficients, args.norm)) return;
  const std::span<const MuonRange> ranges = args.plan.ranges();
  const std::pmr::vector<int> order = by_cost(stream, ranges);
  std::atomic<std::size_t> next{0};
  parallel_for(stream.threads(), std::min<std::int64_t>(stream.threads(), std::ssize(order)), 1,
               [&](std::int64_t, std::int64_t) {
                 for (std::size_t i = next++; i < order.size(); i = next++) {
                   step_matrix(stream, args, ranges[order[i]], factor);
                 }
               });
}

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void newton_schulz(Stream& stream, const NewtonSchulzArgs& args);
void muon_step(Stream& stream, const MuonStepArgs& args);
}  // namespace cuda
#endif

void newton_schulz(Stream& stream, const NewtonSchulzArgs& args) {
  if (args.rows < 1 || args.columns < 1 || !args.in || !args.out) {
    fail<ShapeError>("newton_schulz: a matrix of {} x {} cannot be orthogonalised", args.rows, args.columns);
  }
  BOXCAR_DISPATCH(stream, newton_schulz, args);
}

void muon_step(Stream& stream, const MuonStepArgs& args) {
  if (args.plan.empty()) return;
  if (!args.coefficients || !args.values || !args.grads || !args.momentum || !args.sgd_momentum) {
    fail<ArgumentError>("muon_step: values, gradients, coefficients and both momentum buffers are all needed");
  }
  BOXCAR_DISPATCH(stream, muon_step, args);
}

}  // namespace boxcar::kernels
