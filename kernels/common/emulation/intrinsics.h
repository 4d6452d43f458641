// CUDA's device language for a C++ compiler (BOXCAR_CUDA=EMULATE); included by launch.h alone.
//
// Names that CUDA declares at global scope stand there here too. Missing on purpose: float
// atomics, cooperative groups, bare __shared__ (docs/emulation.md).
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime_api.h>
#include <math.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "boxcar/kernels/common/emulation/scheduler.h"

#define threadIdx (std::as_const(::boxcar::emulation::indices.thread))
#define blockIdx (std::as_const(::boxcar::emulation::indices.block))
#define blockDim (std::as_const(::boxcar::emulation::indices.block_size))
#define gridDim (std::as_const(::boxcar::emulation::indices.grid_size))
inline constexpr int warpSize = 32;

#define __launch_bounds__(...)
#undef __grid_constant__
#define __grid_constant__
#undef __shared__
#define __shared__ static_assert(false, "declare shared memory with BOXCAR_SHARED or BOXCAR_DYNAMIC_SHARED");

namespace boxcar::emulation {

// The key's type, and with it `here`, is another for each declaration and template instance.
template <class T, class Key>
T& shared(Key) {
  static const char here = 0;
  return *static_cast<T*>(shared_array(&here, sizeof(T), std::max<std::size_t>(alignof(T), 16)));
}

template <class T>
std::uint64_t to_bits(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}
template <class T>
T from_bits(std::uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

template <class T>
T shuffle(unsigned mask, T value, int source, Site site) {
  return from_bits<T>(sync_warp(WarpOp::kShuffle, mask, to_bits(value), source, site));
}

template <class T>
concept Integer = std::is_integral_v<T>;

}  // namespace boxcar::emulation

#define BOXCAR_SITE ::boxcar::emulation::Site site = ::boxcar::emulation::Site::current()

// Barriers and warp operations.

inline void __syncthreads(BOXCAR_SITE) { ::boxcar::emulation::sync_block(site); }
inline void __syncwarp(unsigned mask = 0xffffffffu, BOXCAR_SITE) {
  ::boxcar::emulation::sync_warp(::boxcar::emulation::WarpOp::kSync, mask, 0, 0, site);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32, BOXCAR_SITE) {
  const int lane = ::boxcar::emulation::lane();
  return ::boxcar::emulation::shuffle(mask, value, (lane & ~(width - 1)) | (source & (width - 1)), site);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, BOXCAR_SITE) {
  const int lane = ::boxcar::emulation::lane(), source = lane - static_cast<int>(delta);
  return ::boxcar::emulation::shuffle(mask, value, source < (lane & ~(width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, BOXCAR_SITE) {
  const int lane = ::boxcar::emulation::lane(), source = lane + static_cast<int>(delta);
  return ::boxcar::emulation::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32, BOXCAR_SITE) {
  const int lane = ::boxcar::emulation::lane(), source = lane ^ lane_mask;
  return ::boxcar::emulation::shuffle(mask, value, source > (lane | (width - 1)) ? lane : source, site);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, BOXCAR_SITE) {
  return static_cast<unsigned>(
      ::boxcar::emulation::sync_warp(::boxcar::emulation::WarpOp::kBallot, mask, predicate != 0, 0, site));
}
inline int __any_sync(unsigned mask, int predicate, BOXCAR_SITE) { return __ballot_sync(mask, predicate, site) != 0; }
inline int __all_sync(unsigned mask, int predicate, BOXCAR_SITE) {
  return __ballot_sync(mask, predicate, site) == mask;
}

// Memory.

inline void __threadfence() { ::boxcar::emulation::fence(); }
inline void __threadfence_block() { __threadfence(); }
template <class T>
T __ldg(const T* p) {
  return *p;
}
template <class T>
T __ldcg(const T* p) {
  return *p;
}
/// For what other threads may store to meanwhile (by an atomic): the old value or the new one.
template <class T>
T __ldcv(const T* p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}
template <class T>
T __ldcs(const T* p) {
  return *p;
}
template <class T>
void __stcg(T* p, std::type_identity_t<T> value) {
  *p = value;
}
template <class T>
void __stcs(T* p, std::type_identity_t<T> value) {
  *p = value;
}

// Atomics on integers. The order of a float's additions would differ from run to run.
// They publish what the thread wrote before only if it has called __threadfence.

#define BOXCAR_ATOMIC(operation, ...) \
  (::boxcar::emulation::fenced() ? operation(__VA_ARGS__, __ATOMIC_ACQ_REL) : operation(__VA_ARGS__, __ATOMIC_ACQUIRE))

template <::boxcar::emulation::Integer T>
T atomicAdd(T* p, std::type_identity_t<T> value) {
  return BOXCAR_ATOMIC(__atomic_fetch_add, p, value);
}
float atomicAdd(float*, float) = delete;
double atomicAdd(double*, double) = delete;
template <::boxcar::emulation::Integer T>
T atomicExch(T* p, std::type_identity_t<T> value) {
  return BOXCAR_ATOMIC(__atomic_exchange_n, p, value);
}
template <::boxcar::emulation::Integer T>
T atomicOr(T* p, std::type_identity_t<T> value) {
  return BOXCAR_ATOMIC(__atomic_fetch_or, p, value);
}
template <::boxcar::emulation::Integer T>
T atomicAnd(T* p, std::type_identity_t<T> value) {
  return BOXCAR_ATOMIC(__atomic_fetch_and, p, value);
}
template <::boxcar::emulation::Integer T>
T atomicCAS(T* p, std::type_identity_t<T> expected, std::type_identity_t<T> value) {
  if (::boxcar::emulation::fenced()) {
    __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
  } else {
    __atomic_compare_exchange_n(p, &expected, value, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE);
  }
  return expected;
}
template <::boxcar::emulation::Integer T>
T atomicMax(T* p, std::type_identity_t<T> value) {
  for (T old = __atomic_load_n(p, __ATOMIC_ACQUIRE);;) {
    const T found = atomicCAS(p, old, std::max<T>(old, value));
    if (found == old) return old;
    old = found;
  }
}
template <::boxcar::emulation::Integer T>
T atomicMin(T* p, std::type_identity_t<T> value) {
  for (T old = __atomic_load_n(p, __ATOMIC_ACQUIRE);;) {
    const T found = atomicCAS(p, old, std::min<T>(old, value));
    if (found == old) return old;
    old = found;
  }
}

// Arithmetic. glibc declares __expf and its like without exporting them: only a macro gets past it.

#define __expf(x) (expf(x))
#define __logf(x) (logf(x))
#define __powf(x, y) (powf((x), (y)))
#define __sinf(x) (sinf(x))
#define __cosf(x) (cosf(x))
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline float __frsqrt_rn(float x) { return 1.0f / sqrtf(x); }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float __frcp_rn(float x) { return 1.0f / x; }
inline float __fdividef(float x, float y) { return x / y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
inline float __saturatef(float x) { return x > 0.0f ? fminf(x, 1.0f) : 0.0f; }
inline int __float2int_rn(float x) { return static_cast<int>(nearbyintf(x)); }
inline int __float2int_rz(float x) { return static_cast<int>(x); }
inline int __float2int_rd(float x) { return static_cast<int>(floorf(x)); }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline int __float_as_int(float x) { return std::bit_cast<int>(x); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __int_as_float(int x) { return std::bit_cast<float>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline int __popc(unsigned x) { return std::popcount(x); }
inline int __popcll(unsigned long long x) { return std::popcount(x); }
inline int __clz(int x) { return std::countl_zero(static_cast<unsigned>(x)); }
inline int __ffs(int x) { return x ? std::countr_zero(static_cast<unsigned>(x)) + 1 : 0; }
inline unsigned __umulhi(unsigned x, unsigned y) { return static_cast<unsigned>(std::uint64_t{x} * y >> 32); }

template <::boxcar::emulation::Integer T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <::boxcar::emulation::Integer T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}
inline float min(float a, float b) { return fminf(a, b); }
inline float max(float a, float b) { return fmaxf(a, b); }
inline double min(double a, double b) { return fmin(a, b); }
inline double max(double a, double b) { return fmax(a, b); }
