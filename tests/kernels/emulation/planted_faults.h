// Kernels with one mistake each, which the emulation must find.
#pragma once

#include <cstdint>

#include "boxcar/runtime/device/stream.h"

namespace boxcar::test {

/// Lacks the check i < n.
void store_past_the_end(Stream& stream, float* x, std::int64_t n);
/// Reads beyond a shared array of 32 floats.
void read_past_shared(Stream& stream, float* x);
/// Writes beyond the dynamic shared memory.
void write_past_dynamic_shared(Stream& stream, float* x);
/// As reverse() of sample_kernels.h, for 64 threads, without __syncthreads.
void reverse_without_barrier(Stream& stream, const float* x, float* y);
/// Lane 0 publishes a value to its warp without __syncwarp.
void broadcast_without_syncwarp(Stream& stream, const float* x, float* y);
/// Adds up 32 shared values of which only 31 are written; NaN is swallowed by fmaxf.
void read_uninitialised(Stream& stream, float* y);
/// Reads float4 at an address that is a multiple of 4 bytes only.
void load_misaligned(Stream& stream, const float* x, float* y);
/// __syncthreads in both branches of an if.
void barrier_in_both_branches(Stream& stream);
/// Half of the threads return before __syncthreads.
void return_before_barrier(Stream& stream);
/// A shuffle whose mask names lanes that do not take part.
void shuffle_in_branch(Stream& stream);
/// A shuffle that reads a lane its mask does not name.
void shuffle_from_unnamed_lane(Stream& stream);
/// Declares 52 KB of shared memory.
void declare_too_much(Stream& stream);
/// Two blocks store to y[0]..y[31]: the same values, so that no order shows.
void blocks_store_to_one_place(Stream& stream, float* y);
/// As the "last block" of a sum (kernels/common/channel_sums.h), without __threadfence. Sums 4 blocks' numbers;
/// partial: 4 floats, counter: 0.
void last_block_without_fence(Stream& stream, float* partial, unsigned* counter, float* sum);
/// As above, with __threadfence: correct.
void last_block_with_fence(Stream& stream, float* partial, unsigned* counter, float* sum);
/// Lane 0 stores to shared memory what the others read after a shuffle, which orders no memory.
void shuffle_as_barrier(Stream& stream, float* y);
/// sums[0] depends on the order of blocks: each multiplies and adds.
void order_of_blocks(Stream& stream, float* sum);

}  // namespace boxcar::test
