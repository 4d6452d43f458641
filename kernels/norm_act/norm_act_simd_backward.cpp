#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/norm_act/norm_act_simd_backward.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <memory_resource>
#include <type_traits>
#include <vector>

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/norm_pattern.h"
#include "boxcar/kernels/norm_act/row_blocks.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::simd::NormPattern;
using cpu::simd::Period;

// Whether the first pass leaves the sum of the pieces in dz for the second: three or more pieces of floats are added up
// but once.
template <class T>
bool keeps_sum(const NormActBackwardArgs& args) {
  return std::is_same_v<T, float> && args.from.size() >= kManyPieces && args.dz.data;
}

bool covers(const GradPiece& piece, std::int64_t channels) { return piece.of.count == channels; }

// The sum of the pieces in their order, packed, for `rows` rows.
template <class T>
void sum_rows(const GradPieces& pieces, std::int64_t first, std::int64_t rows, std::int64_t channels, float* dy) {
  const bool copies = !pieces.empty() && covers(pieces[0], channels);
  if (!copies) std::fill(dy, dy + rows * channels, 0.0f);
  for (int p = 0; p < pieces.size(); ++p) {
    const GradPiece& piece = pieces[p];
    const T* from = rows_of<const T>(piece.from).row(first);
    float* to = dy + piece.of.first;
    const std::int64_t ld = piece.from.ld, count = piece.of.count;
    if (p == 0 && copies) {
      for (std::int64_t r = 0; r < rows; ++r) copy_row(from + r * ld, count, to + r * channels);
    } else {
      for (std::int64_t r = 0; r < rows; ++r) add_row(from + r * ld, count, to + r * channels);
    }
  }
}

// Where dy is read: the one packed piece itself, or a buffer.
template <class T>
class Gradient {
 public:
  Gradient(Stream& stream, const GradPieces& pieces, const Period& period)
      : pieces_(pieces),
        channels_(period.channels),
        buffer_(in_place() ? 0 : static_cast<std::size_t>(period.chunk()), stream.scratch()) {}

  // Calls f with `count` rows from `first` on, of T or of the floats of their sum.
  template <class F>
  void with_rows(std::int64_t first, std::int64_t count, F&& f) {
    if (in_place()) return f(rows_of<const T>(pieces_[0].from).row(first));
    sum_rows<T>(pieces_, first, count, channels_, buffer_.data());
    f(static_cast<const float*>(buffer_.data()));
  }

 private:
  bool in_place() const { return pieces_.size() == 1 && covers(pieces_[0], channels_) && pieces_[0].from.packed(); }

  const GradPieces& pieces_;
  std::int64_t channels_;
  std::pmr::vector<float> buffer_;
};

template <ActKind kAct, class D>
HWY_INLINE hn::Vec<D> times_activation_grad(D d, hn::Vec<D> dy, hn::Vec<D> x) {
  if constexpr (kAct == ActKind::kSilu) {
    const auto one = hn::Set(d, 1.0f), s = sigmoid(d, x);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one)));
  }
  if constexpr (kAct == ActKind::kRelu) return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), dy);
  return dy;
}

// Asks for what the next chunk reads at the same place, which the processor does not foresee while it computes.
template <class T>
HWY_INLINE void prefetch_next(const T* chunk_place) {
  hwy::Prefetch(chunk_place + cpu::simd::kChunk);
}

// Adds g and g * (z - mean) of a chunk that starts with a period to sums [2, period].
template <ActKind kAct, class T, class G>
void reduce_chunk(const NormPattern& norm, const T* z, const G* dy, std::int64_t count, float* sums) {
  const float *mean = norm.mean, *scale = norm.scale, *beta = norm.beta;
  float *sums_g = sums, *sums_gz = sums + norm.period.size;
  for (std::int64_t i = 0; i < count; i += norm.period.size) {
    for_vectors(std::min(norm.period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      prefetch_next(z + i + j);
      prefetch_next(dy + i + j);
      const auto centred = hn::Sub(load(d, z + i + j), hn::LoadU(d, mean + j));
      const auto x = hn::MulAdd(centred, hn::LoadU(d, scale + j), hn::LoadU(d, beta + j));
      const auto g = times_activation_grad<kAct>(d, load(d, dy + i + j), x);
      hn::StoreU(hn::Add(hn::LoadU(d, sums_g + j), g), d, sums_g + j);
      hn::StoreU(hn::MulAdd(g, centred, hn::LoadU(d, sums_gz + j)), d, sums_gz + j);
    });
  }
}

// dz = scale * g - (means[0] + (z - mean) * means[1]), means [2, period]. dz may be dy.
template <ActKind kAct, class T, class G>
void apply_chunk(const NormPattern& norm, const float* means, const T* z, const G* dy, std::int64_t count, T* dz) {
  const float *mean = norm.mean, *scale = norm.scale, *beta = norm.beta;
  const float *mean_g = means, *mean_gz = means + norm.period.size;
  for (std::int64_t i = 0; i < count; i += norm.period.size) {
    for_vectors(std::min(norm.period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      prefetch_next(z + i + j);
      prefetch_next(dy + i + j);
      const auto weight = hn::LoadU(d, scale + j), centred = hn::Sub(load(d, z + i + j), hn::LoadU(d, mean + j));
      const auto x = hn::MulAdd(centred, weight, hn::LoadU(d, beta + j));
      const auto g = times_activation_grad<kAct>(d, load(d, dy + i + j), x);
      const auto common = hn::MulAdd(centred, hn::LoadU(d, mean_gz + j), hn::LoadU(d, mean_g + j));
      store(hn::MulSub(weight, g, common), d, dz + i + j);
    });
  }
}

// Calls f with the activation as a constant.
template <class F>
HWY_INLINE void with_activation(Act act, F&& f) {
  switch (act.kind) {
    case ActKind::kSilu:
      return f(std::integral_constant<ActKind, ActKind::kSilu>());
    case ActKind::kRelu:
      return f(std::integral_constant<ActKind, ActKind::kRelu>());
    default:
      return f(std::integral_constant<ActKind, ActKind::kIdentity>());
  }
}

// Adds the sums of some rows to sums [2, period].
template <class T>
void reduce_rows(const NormActBackwardArgs& args, const NormPattern& norm, Gradient<T>& gradient, std::int64_t begin,
                 std::int64_t end, float* sums) {
  const Period& period = norm.period;
  for (std::int64_t first = begin; first < end; first += period.chunk_rows) {
    const std::int64_t rows = std::min(period.chunk_rows, end - first), count = rows * period.channels;
    const T* z = rows_of<const T>(args.z).row(first);
    gradient.with_rows(first, rows, [&](const auto* dy) {
      if constexpr (std::is_same_v<T, float>) {
        if (keeps_sum<T>(args)) std::copy_n(dy, count, rows_of<float>(args.dz).row(first));
      }
      with_activation(args.act, [&](auto act) HWY_ATTR { reduce_chunk<act()>(norm, z, dy, count, sums); });
    });
  }
}

// Adds the sums of each block from `first` to `last` - 1 to parts [blocks, 2, C].
template <class T>
void reduce(Stream& stream, const NormActBackwardArgs& args, const NormPattern& norm, std::int64_t first,
            std::int64_t last, float* parts) {
  const Period& period = norm.period;
  const RowBlocks blocks(args.z.pixels(), period.channels);
  Gradient<T> gradient(stream, args.from, period);
  std::pmr::vector<float> sums(static_cast<std::size_t>(2 * period.size), stream.scratch());
  for (std::int64_t b = first; b < last; ++b) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    reduce_rows(args, norm, gradient, blocks.begin(b), blocks.end(b), sums.data());
    float* part = parts + b * 2 * period.channels;
    for (std::int64_t i = 0; i < period.size; i += period.channels) {
      add_row(sums.data() + i, period.channels, part);
      add_row(sums.data() + period.size + i, period.channels, part + period.channels);
    }
  }
}

template <class T>
void apply(Stream& stream, const NormActBackwardArgs& args, const NormPattern& norm, const float* means,
           std::int64_t begin, std::int64_t end, T* dz) {
  const Period& period = norm.period;
  const GradPieces from = keeps_sum<T>(args) ? GradPieces{{{0, args.z.c}, args.dz}} : args.from;
  Gradient<T> gradient(stream, from, period);
  for (std::int64_t first = begin; first < end; first += period.chunk_rows) {
    const std::int64_t rows = std::min(period.chunk_rows, end - first);
    const T* z = rows_of<const T>(args.z).row(first);
    T* to = dz + (first - begin) * period.channels;
    gradient.with_rows(first, rows, [&](const auto* dy) {
      with_activation(args.act,
                      [&](auto act) HWY_ATTR { apply_chunk<act()>(norm, means, z, dy, rows * period.channels, to); });
    });
  }
}

template <class T>
void sum(Stream& stream, const SumPiecesArgs& args, const Period& period, std::int64_t begin, std::int64_t end) {
  Gradient<T> gradient(stream, args.from, period);
  for (std::int64_t first = begin; first < end; first += period.chunk_rows) {
    const std::int64_t rows = std::min(period.chunk_rows, end - first);
    T* to = rows_of<T>(args.to).row(first);
    gradient.with_rows(first, rows, [&](const auto* dy) HWY_ATTR { copy_row(dy, rows * period.channels, to); });
  }
}

}  // namespace

void reduce_blocks(Stream& stream, const NormActBackwardArgs& args, const NormPattern& norm, std::int64_t first,
                   std::int64_t last, float* parts) {
  if (args.z.dtype == DType::kF32) return reduce<float>(stream, args, norm, first, last, parts);
  reduce<bfloat16>(stream, args, norm, first, last, parts);
}

void apply_grad_rows(Stream& stream, const NormActBackwardArgs& args, const NormPattern& norm, const float* means,
                     std::int64_t begin, std::int64_t end, void* dz) {
  if (args.z.dtype == DType::kF32) return apply(stream, args, norm, means, begin, end, static_cast<float*>(dz));
  apply(stream, args, norm, means, begin, end, static_cast<bfloat16*>(dz));
}

void sum_piece_rows(Stream& stream, const SumPiecesArgs& args, const Period& period, std::int64_t begin,
                    std::int64_t end) {
  if (args.to.dtype == DType::kF32) return sum<float>(stream, args, period, begin, end);
  sum<bfloat16>(stream, args, period, begin, end);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"
#include "boxcar/kernels/norm_act/norm_act_statistics.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

HWY_EXPORT(reduce_blocks);
HWY_EXPORT(apply_grad_rows);
HWY_EXPORT(sum_piece_rows);

std::pmr::vector<float> backward_sums(Stream& stream, const NormActBackwardArgs& args,
                                      const cpu::simd::NormPattern& norm) {
  const std::int64_t width = 2 * norm.period.channels;
  const RowBlocks blocks(args.z.pixels(), norm.period.channels);
  std::pmr::vector<float> parts(static_cast<std::size_t>(blocks.count() * width), stream.scratch());
  parallel_for(stream.threads(), blocks.count(), 1, [&](std::int64_t first, std::int64_t last) {
    HWY_DYNAMIC_DISPATCH(reduce_blocks)(stream, args, norm, first, last, parts.data());
  });
  return cpu::sum_of_parts(stream, parts, blocks.count(), static_cast<std::size_t>(width));
}

}  // namespace

cpu::simd::NormGradRows::NormGradRows(Stream& stream, const NormActBackwardArgs& args)
    : stream_(stream),
      args_(args),
      norm_(stream, args.norm, args.saved_mean_rstd, args.z.c),
      means_(static_cast<std::size_t>(2 * norm_.period.size), stream.scratch()) {
  with_float_type("norm_act_backward", args.z.dtype, [](auto) {});  // refuses other types
  std::pmr::vector<float> sums = backward_sums(stream, args, norm_);
  const std::int64_t channels = args.z.c;
  float *sum_g = sums.data(), *sum_gz = sum_g + channels;
  const float* rstd = args.saved_mean_rstd + channels;
  for (std::int64_t c = 0; c < channels; ++c) sum_gz[c] *= rstd[c];
  write_parameter_grads(args, sums);
  const auto pixels = static_cast<float>(args.z.pixels());
  for (std::int64_t c = 0; c < channels; ++c) {
    const float share = norm_.scale[c] / pixels;
    sum_g[c] *= share;
    sum_gz[c] *= share * rstd[c];
  }
  if (!args.norm.batch_stats) std::fill(sums.begin(), sums.end(), 0.0f);
  norm_.period.repeat(sum_gz, norm_.period.repeat(sum_g, means_.data()));
}

void cpu::simd::NormGradRows::write(std::int64_t begin, std::int64_t end, void* dz) const {
  HWY_DYNAMIC_DISPATCH(apply_grad_rows)(stream_, args_, norm_, means_.data(), begin, end, dz);
}

void cpu::simd::norm_act_backward(Stream& stream, const NormActBackwardArgs& args) {
  const NormGradRows grads(stream, args);
  const RowBlocks blocks(args.z.pixels(), args.z.c);
  auto* const dz = static_cast<std::byte*>(args.dz.data);
  const auto row_bytes = static_cast<std::int64_t>(size_of(args.z.dtype)) * args.z.c;
  parallel_for(stream.threads(), args.z.pixels(), blocks.rows(),
               [&](std::int64_t begin, std::int64_t end) { grads.write(begin, end, dz + begin * row_bytes); });
}

void cpu::simd::sum_pieces(Stream& stream, const SumPiecesArgs& args) {
  with_float_type("sum_pieces", args.to.dtype, [](auto) {});  // refuses other types
  const Period period(args.to.c);
  const RowBlocks blocks(args.to.pixels(), args.to.c);
  parallel_for(stream.threads(), args.to.pixels(), blocks.rows(), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sum_piece_rows)(stream, args, period, begin, end);
  });
}

}  // namespace boxcar::kernels
#endif
