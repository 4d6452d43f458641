// BOXCAR_CUDA=EMULATE.
#include <utility>

#include "boxcar/runtime/profile/emulated_ranges.h"
#include "boxcar/runtime/profile/range.h"

namespace boxcar {
namespace {

thread_local emulation::RangeSink t_sink;

}  // namespace

void emulation::set_range_sink(RangeSink sink) { t_sink = std::move(sink); }

TraceRange::TraceRange(const char* name) noexcept {
  if (t_sink) t_sink(name);
}
TraceRange::~TraceRange() {
  if (t_sink) t_sink(nullptr);
}

}  // namespace boxcar
