// The argument profile: where the time of a run went, as a table and as a trace.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "boxcar/kernels/common/machine_peaks.h"
#include "boxcar/runtime/base/log.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar {

/// Stages: calls, seconds and share with all that lies inside them, and the share outside of inner stages and ops. Ops:
/// calls, seconds and share without inner ops, GB/s and GFLOP/s with their fractions of the peaks. The stages' last
/// column and the ops' shares add up to 100 %. `note` ends the first line.
std::string profile_table(const Profiler& profiler, const kernels::MachinePeaks& peaks, const std::string& note = {});

/// Profiles a stream from its construction to its end.
class RunProfile {
 public:
  /// Without `on` nothing is measured and nothing written.
  RunProfile(Stream& stream, bool on);
  ~RunProfile();
  RunProfile(const RunProfile&) = delete;
  RunProfile& operator=(const RunProfile&) = delete;

  /// Logs the table; writes profile.txt and profile.json (the trace) into `folder` unless it is empty.
  void report(const std::filesystem::path& folder, const Log& log) const;

 private:
  Stream& stream_;
  std::unique_ptr<Profiler> profiler_;
  kernels::MachinePeaks peaks_;
};

}  // namespace boxcar
