// Runs a grid on the CPU: the threads of a block are fibers that switch at barriers and warp
// operations. This header is what intrinsics.h and launch.h need of it.
#pragma once

#include <vector_types.h>

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>
#include <vector>

#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/race_clocks.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::emulation {

using Site = std::source_location;

/// What threadIdx, blockIdx, blockDim and gridDim read. Set whenever a thread goes on.
struct Indices {
  uint3 thread, block;
  dim3 block_size, grid_size;
};
constinit inline thread_local Indices indices{};

struct Launch {
  const char* name;
  dim3 blocks, threads;
  std::size_t shared_bytes;
  EmulationSettings settings;
};
/// Calls `body` once for each thread of each block; returns when all are done.
void run(const Launch& launch, FunctionRef<void()> body);

/// The names under which kernels ran in this process, each once: for the test that none is left untested.
std::vector<std::string> kernels_that_ran();

/// The calling thread waits until all threads of its block are at the same place.
void sync_block(Site site);

enum class WarpOp { kSync, kShuffle, kBallot };
/// The calling thread waits until all lanes of `mask` are at the same place with the same mask.
/// kShuffle: the value of lane `source`; kBallot: a bit for each lane whose value is not 0.
std::uint64_t sync_warp(WarpOp op, unsigned mask, std::uint64_t value, int source, Site site);

/// __threadfence of the calling thread, and whether it has called it.
void fence();
bool fenced();

/// Number of the calling thread in its warp.
int lane();

void* shared_array(const void* key, std::size_t bytes, std::size_t alignment);
void* dynamic_shared();

/// Ends the process with the kernel, block and thread (where one is running), and `problem`.
[[noreturn]] void report(const char* problem);

}  // namespace boxcar::emulation
