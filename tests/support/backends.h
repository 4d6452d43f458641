// Tests that run on every device there is: the CPU, and CUDA, emulated or real. scripts/gpu-check finds the latter by
// the word cuda in their names.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "boxcar/runtime/device/stream.h"

namespace boxcar::test {

/// cpu, then cuda:0 if there is one; cuda:0 alone where races are looked for.
std::vector<Device> devices();

/// A fixture for TEST_P; instantiate with INSTANTIATE_ON_BACKENDS.
class BackendTest : public ::testing::TestWithParam<Device> {
 protected:
  Device device() const { return GetParam(); }
  Stream& stream() { return stream_; }

 private:
  Stream stream_{GetParam()};
};

#define INSTANTIATE_ON_BACKENDS(Fixture)                                                      \
  INSTANTIATE_TEST_SUITE_P(Backends, Fixture, ::testing::ValuesIn(::boxcar::test::devices()), \
                           [](const auto& backend) { return std::string(backend.param.is_cuda() ? "cuda" : "cpu"); })

/// Issues work to a stream and returns all of its results.
using Run = std::function<std::vector<float>(Stream&)>;

/// What `run` returns on the device. The test fails unless repetitions return the same bits: with one
/// and three threads on the CPU; forward, in reverse and in random order, with shared memory
/// poisoned by 0xFF and by 0x3D, where CUDA is emulated (once, at random, where races are looked for); twice on a GPU.
std::vector<float> run_on(Device device, const Run& run);

/// Empty if all repetitions return the same bits; else which one differs, and where.
std::string difference_between_runs(Device device, const Run& run);

}  // namespace boxcar::test
