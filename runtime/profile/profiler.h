// Where the time of a run goes: timed scopes that nest, summed up by name.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace boxcar {

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

/// Collects the scopes of one thread. Times are of the host's clock, so whoever measures work of a GPU waits for it
/// within the scope, as ops with a profiler do.
class Profiler {
 public:
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

  std::map<std::pair<ScopeKind, std::string>, Row> rows_;  // addresses stay
  std::vector<Open> open_;
  std::vector<Event> events_;
  double seconds_ = 0;
};

/// Measures until the end of its block; nothing without a profiler.
class ProfileScope {
 public:
  ProfileScope(Profiler* profiler, ScopeKind kind, const char* name, OpCost cost = {0, 0, 0}) : profiler_(profiler) {
    if (profiler_) profiler_->begin(kind, name, cost);
  }
  ~ProfileScope() {
    if (profiler_) profiler_->end();
  }
  ProfileScope(const ProfileScope&) = delete;
  ProfileScope& operator=(const ProfileScope&) = delete;

 private:
  Profiler* profiler_;
};

}  // namespace boxcar
