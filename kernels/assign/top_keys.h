// The best few of many candidates, found by one block; for .cu files only.
#pragma once

#include "boxcar/kernels/assign/image_assigner.h"
#include "boxcar/kernels/common/launch.h"

namespace boxcar::kernels::cuda {

inline constexpr unsigned kSelectThreads = 256;
static_assert(kMaxTopk <= kSelectThreads);

/// A metric and its anchor as one number: a larger metric is larger, then a lower anchor, NaN above all. 0 for metrics
/// that are not positive. No two anchors have the same.
using RankKey = unsigned long long;
BOXCAR_DEVICE RankKey rank_key(float metric, int anchor) {
  const bool number = metric == metric;
  if (number && !(metric > 0.0f)) return 0;
  const unsigned bits = number ? __float_as_uint(metric) : 0x7fffffffu;
  return RankKey{bits} << 32 | (0xffffffffu - static_cast<unsigned>(anchor));
}
BOXCAR_DEVICE int anchor_of(RankKey key) {
  return static_cast<int>(0xffffffffu - static_cast<unsigned>(key & 0xffffffffu));
}

/// The largest keys found by select_top, in shared memory.
struct TopKeys {
  const RankKey* keys;  // falling
  int count;

  BOXCAR_DEVICE bool holds(int anchor) const {
    for (int i = 0; i < count; ++i) {
      if (anchor_of(keys[i]) == anchor) return true;
    }
    return false;
  }
};

/// The k largest of the keys key_of(0 .. candidates - 1) that are not 0. Called by all threads of a block with the same
/// arguments. Candidates go through a pool, a block's worth at a time; what is taken over depends on the keys alone.
template <class F>
BOXCAR_DEVICE TopKeys select_top(int k, int candidates, F&& key_of) {
  BOXCAR_SHARED(RankKey, best, [kMaxTopk]);
  BOXCAR_SHARED(RankKey, pool, [kMaxTopk + kSelectThreads]);
  BOXCAR_SHARED(int, fresh_count, [1]);
  const int thread = static_cast<int>(threadIdx.x);
  int held = 0;
  if (thread == 0) fresh_count[0] = 0;
  __syncthreads();
  for (int base = 0; base < candidates; base += kSelectThreads) {
    const RankKey key = base + thread < candidates ? key_of(base + thread) : 0;
    if (key > (held == k ? best[k - 1] : 0)) pool[held + atomicAdd(fresh_count, 1)] = key;
    if (thread < held) pool[thread] = best[thread];
    __syncthreads();
    const int all = held + fresh_count[0];
    if (all > held) {
      for (int i = thread; i < all; i += kSelectThreads) {
        int rank = 0;
        for (int other = 0; other < all; ++other) rank += pool[other] > pool[i];
        if (rank < k) best[rank] = pool[i];
      }
      held = all < k ? all : k;
    }
    __syncthreads();
    if (thread == 0) fresh_count[0] = 0;
    __syncthreads();
  }
  return {best, held};
}

/// Calls f(anchor), each in a thread of its own, for the zero-metric anchors that fill a list of k places already
/// holding `top`: the lowest of all anchors, wherever they lie. Called by all threads of a block.
template <class F>
BOXCAR_DEVICE void for_each_filler(const TopKeys& top, int k, std::int64_t anchors, F&& f) {
  BOXCAR_SHARED(int, is_free, [kMaxTopk]);
  const int thread = static_cast<int>(threadIdx.x);
  if (thread < k) is_free[thread] = thread < anchors && !top.holds(thread);
  __syncthreads();
  if (thread >= k || !is_free[thread]) return;
  int before = 0;
  for (int i = 0; i < thread; ++i) before += is_free[i];
  if (before < k - top.count) f(thread);
}

}  // namespace boxcar::kernels::cuda
