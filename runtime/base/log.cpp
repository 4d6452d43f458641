#include "boxcar/runtime/base/log.h"

namespace boxcar {

void Log::write(LogLevel level, std::string_view message) const {
  if (sink_) sink_(level, message);
}

}  // namespace boxcar
