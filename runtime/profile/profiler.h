// Where the time of a run goes: timed scopes that nest, summed up by name.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "boxcar/runtime/profile/range.h"

namespace boxcar {

class Stream;

/// The least that a call has to move and to compute: each operand read or written once a pass.
struct OpCost {
  std::int64_t bytes = 0, flops = 0;  // a multiply-add is two
  int launches = 1;                   // of kernels on a GPU

  OpCost& operator+=(const OpCost& other) {
    bytes += other.bytes;
    flops += other.flops;
    launches += other.launches;
    return *this;
  }
};

/// What a scope is about: a stage of the run, or one op within it.
enum class ScopeKind { kStage, kOp };

/// Collects the scopes of one thread.
class Profiler {
 public:
  /// Times are of the host's clock.
  Profiler();
  /// For a GPU's stream, times are the GPU's: a scope begins when the work issued before it is done, and ends when its
  /// own is. The host waits for nothing; what it does beside the GPU takes no time. Else as above.
  explicit Profiler(Stream& stream);
  ~Profiler();

  /// Sums over all scopes of one kind and name.
  struct Row {
    std::string name;
    ScopeKind kind = ScopeKind::kOp;
    std::int64_t calls = 0;
    double seconds = 0;       // begin to end
    double self_seconds = 0;  // less the scopes inside
    OpCost cost{0, 0, 0};
  };

  void begin(ScopeKind kind, const char* name, OpCost cost = {0, 0, 0});
  void end();

  /// Waits for times that the GPU has not told yet. What follows is of the scopes that ended before.
  void collect();
  /// Longest self time first. The self times add up to seconds().
  std::vector<Row> rows() const;
  /// Within outermost scopes.
  double seconds() const { return seconds_; }

  /// The first `kMaxEvents` scopes in the trace event format, which chrome://tracing and Perfetto show.
  std::string chrome_trace() const;
  static constexpr std::size_t kMaxEvents = 200'000;

 private:
  struct Open {
    Row* row;
    OpCost cost;
    std::int64_t begin_ns;
    std::int64_t inner_ns = 0;
  };
  struct Event {
    const Row* row;
    OpCost cost;
    std::int64_t begin_ns, ns;
  };

  struct Marks;

  /// At `row`'s begin, or with null where the innermost scope ends.
  void mark(Row* row, OpCost cost);
  void apply(Row* row, OpCost cost, std::int64_t ns);
  void take_in(bool wait);

  std::unique_ptr<Marks> marks_;                           // on a GPU
  std::map<std::pair<ScopeKind, std::string>, Row> rows_;  // addresses stay
  std::vector<Open> open_;
  std::vector<Event> events_;
  double seconds_ = 0;
};

/// Measures until the end of its block; nothing without a profiler. Stages, and ops that are measured, are ranges for
/// other tools, too.
class ProfileScope {
 public:
  ProfileScope(Profiler* profiler, ScopeKind kind, const char* name, OpCost cost = {0, 0, 0}) : profiler_(profiler) {
    if (profiler_ || kind == ScopeKind::kStage) range_.emplace(name);
    if (profiler_) profiler_->begin(kind, name, cost);
  }
  ~ProfileScope() {
    if (profiler_) profiler_->end();
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  Profiler* profiler_;
  std::optional<TraceRange> range_;
};

}  // namespace boxcar
