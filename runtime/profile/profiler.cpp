#include "boxcar/runtime/profile/profiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace boxcar {
namespace {

std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

double to_seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

void Profiler::begin(ScopeKind kind, const char* name, OpCost cost) {
  auto [at, is_new] = rows_.try_emplace({kind, name});
  if (is_new) at->second = {.name = name, .kind = kind};
  open_.push_back({&at->second, cost, now_ns()});
}

void Profiler::end() {
  const Open scope = open_.back();
  open_.pop_back();
  const std::int64_t ns = now_ns() - scope.begin_ns;
  Row& row = *scope.row;
  ++row.calls;
  row.seconds += to_seconds(ns);
  row.self_seconds += to_seconds(ns - scope.inner_ns);
  row.cost += scope.cost;
  if (open_.empty()) {
    seconds_ += to_seconds(ns);
  } else {
    open_.back().inner_ns += ns;
  }
  if (events_.size() < kMaxEvents) events_.push_back({&row, scope.cost, scope.begin_ns, ns});
}

std::vector<Profiler::Row> Profiler::rows() const {
  std::vector<Row> rows;
  for (const auto& [key, row] : rows_) rows.push_back(row);
  std::ranges::stable_sort(rows, std::greater(), &Row::self_seconds);
  return rows;
}

std::string Profiler::chrome_trace() const {
  std::int64_t first = events_.empty() ? 0 : events_.front().begin_ns;
  for (const Event& e : events_) first = std::min(first, e.begin_ns);
  std::string json = "{\"displayTimeUnit\":\"ms\",\"traceEvents\":[";
  const char* separator = "\n";
  for (const Event& e : events_) {
    json += fmt::format(
        R"({}{{"name":"{}","cat":"{}","ph":"X","pid":1,"tid":1,"ts":{:.3f},"dur":{:.3f},"args":{{"bytes":{},"flops":{}}}}})",
        separator, e.row->name, e.row->kind == ScopeKind::kStage ? "stage" : "op",
        static_cast<double>(e.begin_ns - first) * 1e-3, static_cast<double>(e.ns) * 1e-3, e.cost.bytes, e.cost.flops);
    separator = ",\n";
  }
  return json + "\n]}\n";
}

}  // namespace boxcar
