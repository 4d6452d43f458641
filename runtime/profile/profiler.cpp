#include "boxcar/runtime/profile/profiler.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <deque>

#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/device/stream.h"

namespace boxcar {
namespace {

std::int64_t now_ns() {
  using namespace std::chrono;
  return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

double to_seconds(std::int64_t ns) { return static_cast<double>(ns) * 1e-9; }

}  // namespace

// The marks of a GPU's stream: an event each, in the order in which they were issued.
struct Profiler::Marks {
  struct Mark {
    Row* row;  // that begins; null: the innermost scope ends
    OpCost cost;
    StreamEvent event;
  };

  explicit Marks(Stream& s) : stream(s) {}

  void add(Row* row, OpCost cost) {
    if (free.empty()) free.emplace_back(stream.device(), EventOptions{.timed = true});
    Mark mark{row, cost, std::move(free.back())};
    free.pop_back();
    mark.event.record(stream);
    pending.push_back(std::move(mark));
    depth += row ? 1 : -1;
  }

  /// The first one that is pending: its time since the first mark of all.
  std::int64_t next_ns() {
    StreamEvent& event = pending.front().event;
    // From mark to mark, as a GPU measures in floats.
    if (last) ns += std::llround(1e6 * event.milliseconds_since(*last));
    if (last) free.push_back(std::move(*last));
    last = std::move(event);
    return ns;
  }

  Stream& stream;
  std::deque<Mark> pending;
  std::vector<StreamEvent> free;
  std::optional<StreamEvent> last;
  std::int64_t ns = 0;
  int depth = 0;
};

Profiler::Profiler() = default;
Profiler::Profiler(Stream& stream) {
  if (stream.device().is_cuda()) marks_ = std::make_unique<Marks>(stream);
}
Profiler::~Profiler() = default;

void Profiler::begin(ScopeKind kind, const char* name, OpCost cost) {
  auto [at, is_new] = rows_.try_emplace({kind, name});
  if (is_new) at->second = {.name = name, .kind = kind};
  mark(&at->second, cost);
}

void Profiler::end() { mark(nullptr, {}); }

void Profiler::mark(Row* row, OpCost cost) {
  if (!marks_) return apply(row, cost, now_ns());
  marks_->add(row, cost);
  // Between stages, where the GPU has work left. Long stages are cut where they have too much.
  constexpr std::size_t kMostPending = 1 << 16;
  if (!row && marks_->depth <= 1) take_in(false);
  if (marks_->pending.size() >= kMostPending) take_in(true);
}

void Profiler::collect() {
  if (marks_) take_in(true);
}

void Profiler::take_in(bool wait) {
  while (!marks_->pending.empty() && (wait || marks_->pending.front().event.done())) {
    const std::int64_t ns = marks_->next_ns();
    apply(marks_->pending.front().row, marks_->pending.front().cost, ns);
    marks_->pending.pop_front();
  }
}

void Profiler::apply(Row* row, OpCost cost, std::int64_t at_ns) {
  if (row) {
    open_.push_back({row, cost, at_ns});
    return;
  }
  const Open scope = open_.back();
  open_.pop_back();
  const std::int64_t ns = at_ns - scope.begin_ns;
  Row& ended = *scope.row;
  ++ended.calls;
  ended.seconds += to_seconds(ns);
  ended.self_seconds += to_seconds(ns - scope.inner_ns);
  ended.cost += scope.cost;
  if (open_.empty()) {
    seconds_ += to_seconds(ns);
  } else {
    open_.back().inner_ns += ns;
  }
  if (events_.size() < kMaxEvents) events_.push_back({&ended, scope.cost, scope.begin_ns, ns});
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
