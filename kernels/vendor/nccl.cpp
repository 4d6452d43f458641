#include <fmt/core.h>
#include <nccl.h>

#include "boxcar/kernels/vendor/versions.h"

namespace boxcar::kernels {

std::string nccl_version() {
  int version = 0;
  if (ncclGetVersion(&version) != ncclSuccess) return {};
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace boxcar::kernels
