#include "boxcar/runtime/profile/profiler.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/tensor/tensor.h"
#include "support/backends.h"

namespace boxcar {
namespace {

const Profiler::Row& row(const std::vector<Profiler::Row>& rows, const std::string& name) {
  for (const Profiler::Row& r : rows) {
    if (r.name == name) return r;
  }
  throw std::out_of_range(name);
}

void three_scopes(Profiler& profiler) {
  const ProfileScope step(&profiler, ScopeKind::kStage, "step");
  for (int i = 0; i < 2; ++i) {
    const ProfileScope outer(&profiler, ScopeKind::kOp, "outer", {100, 7});
    const ProfileScope inner(&profiler, ScopeKind::kOp, "inner", {1, 2});
  }
}

TEST(Profiler, CallsAndCostsAddUpByName) {
  Profiler profiler;
  three_scopes(profiler);
  const auto rows = profiler.rows();
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(row(rows, "step").calls, 1);
  EXPECT_EQ(row(rows, "outer").calls, 2);
  EXPECT_EQ(row(rows, "outer").cost.bytes, 200);
  EXPECT_EQ(row(rows, "inner").cost.flops, 4);
}

TEST(Profiler, SelfTimesAddUpToTheWhole) {
  Profiler profiler;
  three_scopes(profiler);
  double sum = 0;
  for (const Profiler::Row& r : profiler.rows()) {
    EXPECT_GE(r.self_seconds, 0.0) << r.name;
    sum += r.self_seconds;
  }
  EXPECT_GT(profiler.seconds(), 0.0);
  EXPECT_NEAR(sum, profiler.seconds(), 1e-9);
  const auto rows = profiler.rows();
  EXPECT_NEAR(row(rows, "step").seconds, profiler.seconds(), 1e-9);
}

TEST(Profiler, TraceHoldsEveryScopeWithTimesFromZero) {
  Profiler profiler;
  three_scopes(profiler);
  const auto trace = nlohmann::json::parse(profiler.chrome_trace());
  const auto& events = trace.at("traceEvents");
  ASSERT_EQ(events.size(), 5u);
  double first = 1e9;
  for (const auto& event : events) {
    EXPECT_EQ(event.at("ph"), "X");
    EXPECT_GE(event.at("dur").get<double>(), 0.0);
    first = std::min(first, event.at("ts").get<double>());
  }
  EXPECT_EQ(first, 0.0);
  EXPECT_EQ(events.back().at("name"), "step");  // scopes are kept as they end
  EXPECT_EQ(events.back().at("cat"), "stage");
}

class DeviceProfiler : public test::BackendTest {};

// On a GPU the host is told afterwards; what is told adds up all the same.
TEST_P(DeviceProfiler, TimesOfTheDeviceAddUp) {
  constexpr int kBytes = 8 << 20;
  const Tensor memory = Tensor::empty(stream(), {1, 1, 1, kBytes}, DType::kU8);
  StreamEvent first(device(), {.timed = true}), last(device(), {.timed = true});
  Profiler profiler(stream());
  first.record(stream());
  {
    const ProfileScope step(&profiler, ScopeKind::kStage, "step");
    for (int i = 0; i < 3; ++i) {
      const ProfileScope outer(&profiler, ScopeKind::kOp, "outer", {kBytes, 0});
      stream().fill(memory.as<char>(), i, kBytes);
      const ProfileScope inner(&profiler, ScopeKind::kOp, "inner", {4 * kBytes, 0});
      for (int k = 0; k < 4; ++k) stream().fill(memory.as<char>(), i, kBytes);
    }
  }
  last.record(stream());
  profiler.collect();
  const auto rows = profiler.rows();
  ASSERT_EQ(rows.size(), 3u);
  double sum = 0;
  for (const Profiler::Row& r : rows) {
    EXPECT_GE(r.self_seconds, 0.0) << r.name;
    sum += r.self_seconds;
  }
  EXPECT_NEAR(sum, profiler.seconds(), 1e-9);
  EXPECT_EQ(row(rows, "inner").calls, 3);
  EXPECT_EQ(row(rows, "outer").cost.bytes, 3 * kBytes);
  EXPECT_GT(row(rows, "inner").self_seconds, 0.0);
  EXPECT_LE(profiler.seconds(), 1e-3 * last.milliseconds_since(first) + 1e-5);
  const auto trace = nlohmann::json::parse(profiler.chrome_trace());
  EXPECT_EQ(trace.at("traceEvents").size(), 7u);
}

INSTANTIATE_ON_BACKENDS(DeviceProfiler);

TEST(Profiler, WithoutOneAScopeDoesNothing) { const ProfileScope scope(nullptr, ScopeKind::kOp, "op"); }

}  // namespace
}  // namespace boxcar
