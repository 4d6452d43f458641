#include "boxcar/trainers/engine/profile_report.h"

#include <fmt/format.h>

#include <algorithm>

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {
namespace {

// "12.3 (31%)" of what the machine does at best, or nothing where the op does not tell.
std::string rate(double amount, double seconds, double peak) {
  if (amount <= 0 || seconds <= 0) return "";
  return fmt::format("{:.1f} ({:.0f}%)", amount / seconds * 1e-9, 100 * amount / seconds / peak);
}

double share(double seconds, double all) { return all > 0 ? 100 * seconds / all : 0.0; }

}  // namespace

std::string profile_table(const Profiler& profiler, const kernels::MachinePeaks& peaks, const std::string& note) {
  std::string text = fmt::format("profile of {:.2f} s; peaks: copy {:.1f} GB/s, f32 matrix product {:.0f} GFLOP/s{}\n",
                                 profiler.seconds(), peaks.copy_bytes_per_second * 1e-9, peaks.gemm_flops * 1e-9, note);
  const std::vector<Profiler::Row> rows = profiler.rows();
  text += fmt::format("{:<24}{:>9}{:>10}{:>8}{:>12}\n", "stage", "calls", "seconds", "share", "outside ops");
  for (const Profiler::Row& row : rows) {
    if (row.kind != ScopeKind::kStage) continue;
    text += fmt::format("{:<24}{:>9}{:>10.3f}{:>7.1f}%{:>11.1f}%\n", row.name, row.calls, row.seconds,
                        share(row.seconds, profiler.seconds()), share(row.self_seconds, profiler.seconds()));
  }
  text += fmt::format("{:<24}{:>9}{:>10}{:>8}{:>18}{:>18}\n", "op", "calls", "seconds", "share", "GB/s", "GFLOP/s");
  for (const Profiler::Row& row : rows) {
    if (row.kind != ScopeKind::kOp) continue;
    text += fmt::format("{:<24}{:>9}{:>10.3f}{:>7.1f}%{:>18}{:>18}\n", row.name, row.calls, row.self_seconds,
                        share(row.self_seconds, profiler.seconds()),
                        rate(static_cast<double>(row.cost.bytes), row.self_seconds, peaks.copy_bytes_per_second),
                        rate(static_cast<double>(row.cost.flops), row.self_seconds, peaks.gemm_flops));
  }
  return text;
}

RunProfile::RunProfile(Stream& stream, bool on) : stream_(stream) {
  if (!on) return;
  peaks_ = kernels::measure_machine_peaks(stream);
  profiler_ = std::make_unique<Profiler>(stream);
  stream.set_profiler(profiler_.get());
}

RunProfile::~RunProfile() { stream_.set_profiler(nullptr); }

void RunProfile::report(const std::filesystem::path& folder, const Log& log) const {
  if (!profiler_) return;
  profiler_->collect();
  const Device device = stream_.device();
  const std::string table = profile_table(
      *profiler_, peaks_,
      device.is_cuda()
          ? fmt::format("\ntimes are those of {}; steps were launched op by op, not as graphs", device.name())
          : "");
  log.info("{}", table);
  if (folder.empty()) return;
  write_file_atomically(folder / "profile.txt", table);
  write_file_atomically(folder / "profile.json", profiler_->chrome_trace());
  log.info("the trace is in {}; open it in chrome://tracing or Perfetto", (folder / "profile.json").string());
}

}  // namespace boxcar
