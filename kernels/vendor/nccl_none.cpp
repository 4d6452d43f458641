#include "boxcar/kernels/vendor/versions.h"

namespace boxcar::kernels {

std::string nccl_version() { return {}; }

}  // namespace boxcar::kernels
