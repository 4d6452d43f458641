#include "boxcar/kernels/vendor/matmul.h"

#include "boxcar/kernels/vendor/libraries.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"

namespace boxcar::kernels {

StreamMatmulLibrary::StreamMatmulLibrary(Stream& stream) {
  if (!stream.device().is_cuda() || cuda_is_emulated()) {
    why = "no card is used";
  } else if (!vendor_libraries_wanted()) {
    why = "BOXCAR_VENDOR=off";
  } else {
    try {
      library = open_cublaslt(stream);
    } catch (const DeviceError& error) {
      why = error.what();
    }
  }
}

}  // namespace boxcar::kernels
