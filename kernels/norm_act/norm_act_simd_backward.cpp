#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/norm_act/norm_act_simd_backward.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>
#include <memory_resource>
#include <type_traits>
#include <vector>

#include "boxcar/kernels/norm_act/gradient_rows-inl.h"
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

template <ActKind kAct, class D>
HWY_INLINE hn::Vec<D> times_activation_grad(D d, hn::Vec<D> dy, hn::Vec<D> x) {
  if constexpr (kAct == ActKind::kSilu) {
    const auto one = hn::Set(d, 1.0f), s = sigmoid(d, x);
    return hn::Mul(dy, hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one)));
  }
  if constexpr (kAct == ActKind::kRelu) return hn::IfThenElseZero(hn::Gt(x, hn::Zero(d)), dy);
  return dy;
}

// Adds g and g * (z - mean) of a vector at place j of the period to sums [2, period].
template <ActKind kAct, class D>
HWY_INLINE void reduce_vector(D d, const NormPattern& norm, hn::Vec<D> z, hn::Vec<D> dy, std::int64_t j, float* sums) {
  float *sum_g = sums + j, *sum_gz = sum_g + norm.period.size;
  const auto centred = hn::Sub(z, hn::LoadU(d, norm.mean + j));
  const auto x = hn::MulAdd(centred, hn::LoadU(d, norm.scale + j), hn::LoadU(d, norm.beta + j));
  const auto g = times_activation_grad<kAct>(d, dy, x);
  hn::StoreU(hn::Add(hn::LoadU(d, sum_g), g), d, sum_g);
  hn::StoreU(hn::MulAdd(g, centred, hn::LoadU(d, sum_gz)), d, sum_gz);
}

// dz = scale * g - (means[0] + (z - mean) * means[1]), means [2, period].
template <ActKind kAct, class D>
HWY_INLINE hn::Vec<D> applied_vector(D d, const NormPattern& norm, const float* means, hn::Vec<D> z, hn::Vec<D> dy,
                                     std::int64_t j) {
  const auto scale = hn::LoadU(d, norm.scale + j), centred = hn::Sub(z, hn::LoadU(d, norm.mean + j));
  const auto x = hn::MulAdd(centred, scale, hn::LoadU(d, norm.beta + j));
  const auto g = times_activation_grad<kAct>(d, dy, x);
  const float *mean_g = means + j, *mean_gz = mean_g + norm.period.size;
  return hn::MulSub(scale, g, hn::MulAdd(centred, hn::LoadU(d, mean_gz), hn::LoadU(d, mean_g)));
}

// Sums of a chunk that starts with a period.
template <ActKind kAct, class T, class G>
void reduce_chunk(const NormPattern& norm, const T* z, const G* dy, std::int64_t count, float* sums) {
  for (std::int64_t i = 0; i < count; i += norm.period.size) {
    for_vectors(std::min(norm.period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      fetch_to_read(z + i + j + cpu::simd::kChunk);
      fetch_to_read(dy + i + j + cpu::simd::kChunk);
      reduce_vector<kAct>(d, norm, load(d, z + i + j), load(d, dy + i + j), j, sums);
    });
  }
}

// dz of a chunk that starts with a period. dz may be dy.
template <ActKind kAct, class T, class G>
void apply_chunk(const NormPattern& norm, const float* means, const T* z, const G* dy, std::int64_t count, T* dz) {
  for (std::int64_t i = 0; i < count; i += norm.period.size) {
    for_vectors(std::min(norm.period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      fetch_to_read(z + i + j + cpu::simd::kChunk);
      fetch_to_read(dy + i + j + cpu::simd::kChunk);
      store(applied_vector<kAct>(d, norm, means, load(d, z + i + j), load(d, dy + i + j), j), d, dz + i + j);
    });
  }
}

// The same sums, place by place, from pieces.
template <ActKind kAct, class T>
void reduce_pieces(const NormPattern& norm, const Rows<const T>& z, const PieceRows<T>& dy, std::int64_t begin,
                   std::int64_t end, float* sums) {
  const std::int64_t channels = norm.period.channels;
  std::int64_t place = 0;
  for (std::int64_t r = begin; r < end; ++r) {
    for_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
      fetch_to_read(z.row(r) + c + cpu::simd::kChunk);
      reduce_vector<kAct>(d, norm, load(d, z.row(r) + c), dy.load_vector(d, r, c), place + c, sums);
    });
    place = place + channels < norm.period.size ? place + channels : 0;
  }
}

template <ActKind kAct, class T>
void apply_pieces(const NormPattern& norm, const float* means, const Rows<const T>& z, const PieceRows<T>& dy,
                  std::int64_t begin, std::int64_t end, T* dz) {
  const std::int64_t channels = norm.period.channels;
  for (std::int64_t r = begin; r < end; ++r, dz += channels) {
    for_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
      fetch_to_read(z.row(r) + c + cpu::simd::kChunk);
      store(applied_vector<kAct>(d, norm, means, load(d, z.row(r) + c), dy.load_vector(d, r, c), c), d, dz + c);
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

// Whether pieces are added up where they are used. The one packed piece is read as it is.
template <class T>
bool adds_pieces(const NormActBackwardArgs& args, const Gradient<T>& gradient) {
  return !gradient.in_place() && !keeps_sum<T>(args) && args.z.c % 16 == 0 && PieceRows<T>::suits(args.from);
}

// Adds the sums of some rows to sums [2, period].
template <class T>
void reduce_rows(const NormActBackwardArgs& args, const NormPattern& norm, Gradient<T>& gradient, std::int64_t begin,
                 std::int64_t end, float* sums) {
  const Period& period = norm.period;
  if (adds_pieces(args, gradient)) {
    return with_activation(args.act, [&](auto act) HWY_ATTR {
      reduce_pieces<act()>(norm, rows_of<const T>(args.z), PieceRows<T>(args.from), begin, end, sums);
    });
  }
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
  if (adds_pieces(args, gradient)) {
    return with_activation(args.act, [&](auto act) HWY_ATTR {
      apply_pieces<act()>(norm, means, rows_of<const T>(args.z), PieceRows<T>(args.from), begin, end, dz);
    });
  }
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
