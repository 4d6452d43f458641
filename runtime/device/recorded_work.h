// Work that comes again and again with the same arguments, as one graph.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/graph.h"
#include "boxcar/runtime/memory/pool.h"

namespace boxcar {

/// Work that cannot be recorded, because it waits for results or a library refuses. Nothing of it was done.
struct CannotRecord : DeviceError {
  using DeviceError::DeviceError;
};

/// Runs a piece of a stream's work: twice as it is, so that everything it needs is there (memory, library plans), then
/// recorded once and launched as a graph from there on. A launch repeats pointers and numbers of the recording.
class RecordedWork {
 public:
  /// What a call did.
  enum class Way { kIssued, kRecorded, kReplayed };

  /// `memory`: a pool for work of this kind alone (Stream::begin_capture); what it hands out is the work's temporary
  /// memory. `work` issues to the stream; with Way::kReplayed it was not called. Throws CannotRecord, after which the
  /// caller may go on with issue().
  Way run(Stream& stream, const std::shared_ptr<MemoryPool>& memory, const std::function<void()>& work);
  /// Calls `work` with that memory, not recorded.
  static void issue(Stream& stream, const std::shared_ptr<MemoryPool>& memory, const std::function<void()>& work);
  /// The next run() records anew.
  void forget() { graph_.reset(); }
  bool recorded() const { return graph_.has_value(); }
  /// Kernels of a launch; 0 before the recording.
  int kernels() const { return graph_ ? graph_->kernels() : 0; }

 private:
  static constexpr int kIssuedFirst = 2;

  int issued_ = 0;
  std::optional<Graph> graph_;
};

}  // namespace boxcar
