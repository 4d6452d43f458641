// A build without CUDA.
#include "boxcar/runtime/profile/range.h"

namespace boxcar {

TraceRange::TraceRange(const char*) noexcept {}
TraceRange::~TraceRange() = default;

}  // namespace boxcar
