#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/loss/class_term.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/contrib/math/math-inl.h>
#include <hwy/highway.h>

#include "boxcar/kernels/loss/class_term.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
namespace {

/// A row of logits with what goes with each: weight[i] (or null: all 1) and grad[i] (or null: not wanted).
struct ClassSpan {
  const float* z;
  const float* weight;
  float* grad;
};

/// weight * softplus(z) of one vector at i; writes factor * weight * sigmoid(z).
template <class D>
hn::Vec<D> term(D d, const ClassSpan& span, std::int64_t i, hn::Vec<D> factor) {
  const auto one = hn::Set(d, 1.0f), zero = hn::Zero(d);
  const auto z = hn::LoadU(d, span.z + i);
  const auto weight = span.weight ? hn::LoadU(d, span.weight + i) : one;
  const auto e = hn::IfThenElse(hn::IsNaN(z), z, hn::Exp(d, hn::Neg(hn::Abs(z))));  // Exp makes a number of NaN
  if (span.grad) {
    const auto numerator = hn::IfThenElse(hn::Ge(z, zero), one, e);
    hn::StoreU(hn::Div(hn::Mul(hn::Mul(factor, weight), numerator), hn::Add(one, e)), d, span.grad + i);
  }
  // max(z, 0), but NaN for NaN.
  const auto positive = hn::IfThenElse(hn::Lt(z, zero), zero, z);
  return hn::Mul(weight, hn::Add(positive, hn::Log1p(d, e)));
}

/// The last `count` values, fewer than a vector, through buffers padded with logits that add nothing.
template <class D>
double tail_term(D d, const ClassSpan& span, std::int64_t at, std::int64_t count, hn::Vec<D> factor) {
  HWY_ALIGN float z[hn::MaxLanes(d)], weight[hn::MaxLanes(d)], grad[hn::MaxLanes(d)];
  for (std::size_t k = 0; k < hn::Lanes(d); ++k) {
    const bool used = static_cast<std::int64_t>(k) < count;
    z[k] = used ? span.z[at + k] : -1e4f;
    weight[k] = used && span.weight ? span.weight[at + k] : 1.0f;
  }
  const auto sum = hn::SumOfLanes(d, term(d, ClassSpan{z, weight, grad}, 0, factor));
  for (std::int64_t k = 0; span.grad && k < count; ++k) span.grad[at + k] = grad[k];
  return double{hn::GetLane(sum)};
}

}  // namespace

/// Sum over `count` values. Lanes add up a few values in float, the rest is double.
double span_term(const ClassSpan& span, std::int64_t count, float factor_value) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, factor_value);
  const std::int64_t lanes = static_cast<std::int64_t>(hn::Lanes(d)), run = 16 * lanes;
  double sum = 0.0;
  std::int64_t i = 0;
  for (; i + run <= count; i += run) {
    auto part = hn::Zero(d);
    for (std::int64_t k = 0; k < run; k += lanes) part = hn::Add(part, term(d, span, i + k, factor));
    sum += double{hn::GetLane(hn::SumOfLanes(d, part))};
  }
  for (; i + lanes <= count; i += lanes) sum += double{hn::GetLane(hn::SumOfLanes(d, term(d, span, i, factor)))};
  return i < count ? sum + tail_term(d, span, i, count - i, factor) : sum;
}

double block_term(const float* z, std::int64_t count, const float* weights, float factor, float* grad) {
  return span_term({z, weights, grad}, count, factor);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <memory_resource>
#include <vector>

#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(block_term);

constexpr std::int64_t kBlockValues = 1 << 13;  // logits whose terms are added up before they go to a slot

/// Class weights as they lie beside the logits of `pixels` pixels; empty without weights.
std::pmr::vector<float> repeated(Stream& stream, const float* weights, std::int64_t classes, std::int64_t pixels) {
  std::pmr::vector<float> out(stream.scratch());
  for (std::int64_t p = 0; weights && p < pixels; ++p) out.insert(out.end(), weights, weights + classes);
  return out;
}

}  // namespace

double background_class_term(Stream& stream, const TensorView& logits, const float* weights, float factor,
                             const TensorView& grad) {
  const std::int64_t classes = logits.c, pixels = logits.pixels();
  const std::int64_t block = kBlockValues / classes + 1, blocks = (pixels + block - 1) / block;
  const std::pmr::vector<float> pattern = repeated(stream, weights, classes, std::min(block, pixels));
  std::pmr::vector<double> sums(static_cast<std::size_t>(blocks), stream.scratch());
  parallel_for(stream.threads(), blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const std::int64_t first = b * block * classes, count = std::min(block, pixels - b * block) * classes;
      float* to = grad.data ? grad.as<float>() + first : nullptr;
      sums[b] = HWY_DYNAMIC_DISPATCH(block_term)(logits.as<const float>() + first, count,
                                                 weights ? pattern.data() : nullptr, factor, to);
    }
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace boxcar::kernels
#endif
