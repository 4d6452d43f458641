#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/norm_act/norm_act_simd_forward.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>
#include <memory_resource>
#include <vector>

#include "boxcar/kernels/activation/activation-inl.h"
#include "boxcar/kernels/norm_act/destination_rows-inl.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/norm_pattern.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

using cpu::simd::NormPattern;
using cpu::simd::Period;

// Adds up what lies at the same channel of a period.
void fold(const Period& period, const float* places, float scale, float* channels) {
  std::fill(channels, channels + period.channels, 0.0f);
  for (std::int64_t i = 0; i < period.size; i += period.channels) add_row(places + i, period.channels, channels);
  for (std::int64_t c = 0; c < period.channels; ++c) channels[c] *= scale;
}

// The mean first, then the distances from it. Their sum would be 0 but for rounding: it corrects the mean, which may
// lie far from zero. scratch: 4 * period.size.
template <class T>
void moments(const T* z, std::int64_t rows, const Period& period, float* scratch, float* mean, float* m2) {
  const std::int64_t count = rows * period.channels;
  float *sums = scratch, *means = sums + period.size, *left = means + period.size,
        *left_of_channel = left + period.size;
  std::fill(sums, sums + period.size, 0.0f);
  for (std::int64_t i = 0; i < count; i += period.size) {
    for_vectors(std::min(period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      hn::StoreU(hn::Add(hn::LoadU(d, sums + j), load(d, z + i + j)), d, sums + j);
    });
  }
  fold(period, sums, 1.0f / static_cast<float>(rows), mean);
  for (std::int64_t i = 0; i < period.size; ++i) means[i] = mean[i % period.channels];
  std::fill(sums, sums + period.size, 0.0f);
  std::fill(left, left + period.size, 0.0f);
  for (std::int64_t i = 0; i < count; i += period.size) {
    for_vectors(std::min(period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      const auto distance = hn::Sub(load(d, z + i + j), hn::LoadU(d, means + j));
      hn::StoreU(hn::Add(hn::LoadU(d, left + j), distance), d, left + j);
      hn::StoreU(hn::MulAdd(distance, distance, hn::LoadU(d, sums + j)), d, sums + j);
    });
  }
  fold(period, sums, 1.0f, m2);
  fold(period, left, 1.0f, left_of_channel);
  for (std::int64_t c = 0; c < period.channels; ++c) {
    const float correction = left_of_channel[c] / static_cast<float>(rows), excess = left_of_channel[c] * correction;
    mean[c] += correction;
    if (excess < m2[c]) m2[c] -= excess;
  }
}

// y = act(norm(z)) (+ residual) of a chunk that starts with a period.
template <ActKind kAct, class T>
void apply_chunk(const NormPattern& norm, const T* z, const T* residual, std::int64_t count, T* y) {
  const float *mean = norm.mean, *scale = norm.scale, *beta = norm.beta;
  for (std::int64_t i = 0; i < count; i += norm.period.size) {
    for_vectors(std::min(norm.period.size, count - i), [&](auto d, std::int64_t j) HWY_ATTR {
      fetch_to_read(z + i + j + cpu::simd::kChunk);
      fetch_to_write(y + i + j + cpu::simd::kChunk);
      const auto centred = hn::Sub(load(d, z + i + j), hn::LoadU(d, mean + j));
      auto value = activated<kAct>(d, hn::MulAdd(centred, hn::LoadU(d, scale + j), hn::LoadU(d, beta + j)));
      if (residual) value = hn::Add(value, load(d, residual + i + j));
      store(value, d, y + i + j);
    });
  }
}

template <class T>
void apply_chunk(Act act, const NormPattern& norm, const T* z, const T* residual, std::int64_t count, T* y) {
  switch (act.kind) {
    case ActKind::kSilu:
      return apply_chunk<ActKind::kSilu>(norm, z, residual, count, y);
    case ActKind::kRelu:
      return apply_chunk<ActKind::kRelu>(norm, z, residual, count, y);
    default:
      return apply_chunk<ActKind::kIdentity>(norm, z, residual, count, y);
  }
}

// The same of rows [begin, end) to destinations whose ranges begin and end at vectors, each value as it is made.
template <ActKind kAct, class T>
void apply_to_all(const NormActForwardArgs& args, const NormPattern& norm, std::int64_t begin, std::int64_t end) {
  const float *mean = norm.mean, *scale = norm.scale, *beta = norm.beta;
  const DestinationRows<T> to(args.to);
  const Rows<const T> z = rows_of<const T>(args.z);
  const Rows<const T> residual = rows_of<const T>(args.residual ? *args.residual : TensorView{});
  for (std::int64_t r = begin; r < end; ++r) {
    for_vectors(args.z.c, [&](auto d, std::int64_t c) HWY_ATTR {
      fetch_to_read(z.row(r) + c + cpu::simd::kChunk);
      const auto centred = hn::Sub(load(d, z.row(r) + c), hn::LoadU(d, mean + c));
      auto value = activated<kAct>(d, hn::MulAdd(centred, hn::LoadU(d, scale + c), hn::LoadU(d, beta + c)));
      if (args.residual) value = hn::Add(value, load(d, residual.row(r) + c));
      to.store_vector(d, r, c, value);
    });
  }
}

template <class T>
void apply_to_all(const NormActForwardArgs& args, const NormPattern& norm, std::int64_t begin, std::int64_t end) {
  switch (args.act.kind) {
    case ActKind::kSilu:
      return apply_to_all<ActKind::kSilu, T>(args, norm, begin, end);
    case ActKind::kRelu:
      return apply_to_all<ActKind::kRelu, T>(args, norm, begin, end);
    default:
      return apply_to_all<ActKind::kIdentity, T>(args, norm, begin, end);
  }
}

bool holds_all(const Destination& d, const TensorView& z) { return d.to.packed() && d.of.count == z.c; }

// Whether something is strided, and vectors of 16 channels go to it whole.
bool stores_vectors(const NormActForwardArgs& args) {
  const auto at_vectors = [](const Destination& d) { return d.of.first % 16 == 0 && d.of.count % 16 == 0; };
  const bool flat = args.to.size() == 1 && holds_all(args.to[0], args.z) && (!args.residual || args.residual->packed());
  return !flat && args.z.c % 16 == 0 && std::all_of(args.to.begin(), args.to.end(), at_vectors);
}

// Each value is computed once, into a packed destination where there is one, and copied from there while it is in the
// first cache.
template <class T>
void apply(Stream& stream, const NormActForwardArgs& args, const NormPattern& norm, std::int64_t begin,
           std::int64_t end) {
  if (stores_vectors(args)) return apply_to_all<T>(args, norm, begin, end);
  const std::int64_t channels = args.z.c, step = norm.period.chunk_rows;
  const auto* whole = std::find_if(args.to.begin(), args.to.end(), [&](auto& d) { return holds_all(d, args.z); });
  const auto chunk = static_cast<std::size_t>(norm.period.chunk());
  std::pmr::vector<T> value_buffer(whole != args.to.end() ? 0 : chunk, stream.scratch());
  std::pmr::vector<T> residual_buffer(args.residual && !args.residual->packed() ? chunk : 0, stream.scratch());
  for (std::int64_t first = begin; first < end; first += step) {
    const std::int64_t rows = std::min(step, end - first);
    const T* residual = args.residual ? rows_of<const T>(*args.residual).row(first) : nullptr;
    if (!residual_buffer.empty()) {
      for (std::int64_t r = 0; r < rows; ++r) {
        copy_row(residual + r * args.residual->ld, channels, residual_buffer.data() + r * channels);
      }
      residual = residual_buffer.data();
    }
    T* y = whole != args.to.end() ? rows_of<T>(whole->to).row(first) : value_buffer.data();
    apply_chunk(args.act, norm, rows_of<const T>(args.z).row(first), residual, rows * channels, y);
    for (const Destination& d : args.to) {
      if (&d == whole) continue;
      T* to = rows_of<T>(d.to).row(first);
      for (std::int64_t r = 0; r < rows; ++r) copy_row(y + r * channels + d.of.first, d.of.count, to + r * d.to.ld);
    }
  }
}

}  // namespace

void block_moments(const TensorView& z, std::int64_t begin, std::int64_t end, const Period& period, float* scratch,
                   float* part) {
  float *mean = part, *m2 = part + period.channels;
  if (z.dtype == DType::kF32)
    return moments(rows_of<const float>(z).row(begin), end - begin, period, scratch, mean, m2);
  moments(rows_of<const bfloat16>(z).row(begin), end - begin, period, scratch, mean, m2);
}

void apply_rows(Stream& stream, const NormActForwardArgs& args, const NormPattern& norm, std::int64_t begin,
                std::int64_t end) {
  if (args.z.dtype == DType::kF32) return apply<float>(stream, args, norm, begin, end);
  apply<bfloat16>(stream, args, norm, begin, end);
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

HWY_EXPORT(block_moments);
HWY_EXPORT(apply_rows);

}  // namespace

cpu::simd::BatchMoments::BatchMoments(Stream& stream, const BatchStatisticsArgs& args)
    : stream_(stream),
      args_(args),
      blocks_(args.z.pixels(), args.z.c),
      period_(args.z.c),
      parts_(static_cast<std::size_t>(blocks_.count() * 2 * args.z.c), stream.scratch()) {
  with_float_type("batch_statistics", args.z.dtype, [](auto) {});  // refuses other types
}

void cpu::simd::BatchMoments::add(std::int64_t b) {
  std::pmr::vector<float> scratch(static_cast<std::size_t>(4 * period_.size), stream_.scratch());
  HWY_DYNAMIC_DISPATCH(block_moments)
  (args_.z, blocks_.begin(b), blocks_.end(b), period_, scratch.data(), parts_.data() + b * 2 * args_.z.c);
}

void cpu::simd::BatchMoments::save() const { save_batch_statistics(stream_, args_, blocks_, parts_); }

void cpu::simd::batch_statistics(Stream& stream, const BatchStatisticsArgs& args) {
  BatchMoments moments(stream, args);
  parallel_for(stream.threads(), moments.blocks().count(), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t b = first; b < last; ++b) moments.add(b);
  });
  moments.save();
}

void cpu::simd::norm_act_forward(Stream& stream, const NormActForwardArgs& args) {
  with_float_type("norm_act_forward", args.z.dtype, [](auto) {});  // refuses other types
  if (!args.norm.batch_stats) save_running_statistics(args);
  const NormPattern norm(stream, args.norm, args.saved_mean_rstd, args.z.c);
  const RowBlocks blocks(args.z.pixels(), args.z.c);
  parallel_for(stream.threads(), args.z.pixels(), blocks.rows(), [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(apply_rows)(stream, args, norm, begin, end);
  });
}

}  // namespace boxcar::kernels
#endif
