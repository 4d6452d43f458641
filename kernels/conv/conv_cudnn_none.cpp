#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/kernels/vendor/versions.h"

namespace boxcar::kernels {

std::string cudnn_version() { return {}; }

std::unique_ptr<ConvEngine> make_cudnn_engine(Stream&) { return nullptr; }

}  // namespace boxcar::kernels
