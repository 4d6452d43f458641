// Who listens to TraceRange where CUDA is emulated (BOXCAR_CUDA=EMULATE).
#pragma once

#include <functional>

namespace boxcar::emulation {

/// Called with a range's name where one begins, with null where one ends; of the thread that calls this. Null: nobody.
using RangeSink = std::function<void(const char* name)>;
void set_range_sink(RangeSink sink);

}  // namespace boxcar::emulation
