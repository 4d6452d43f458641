#include "boxcar/kernels/vendor/matmul.h"
#include "boxcar/kernels/vendor/versions.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

std::string cublaslt_version() { return {}; }

std::shared_ptr<MatmulLibrary> open_cublaslt(Stream&) { fail<DeviceError>("this program was built without cuBLASLt"); }

}  // namespace boxcar::kernels
