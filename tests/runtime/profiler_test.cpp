#include "boxcar/runtime/profile/profiler.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

TEST(Profiler, WithoutOneAScopeDoesNothing) { const ProfileScope scope(nullptr, ScopeKind::kOp, "op"); }

}  // namespace
}  // namespace boxcar
