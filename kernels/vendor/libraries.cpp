#include "boxcar/kernels/vendor/libraries.h"

#include <fmt/core.h>
#include <oneapi/dnnl/dnnl.h>

#include <cstdlib>
#include <string_view>

#include "boxcar/kernels/vendor/versions.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

std::vector<LibraryVersion> library_versions() {
  const dnnl_version_t& dnnl = *dnnl_version();
  return {{"cuDNN", cudnn_version()},
          {"cuBLASLt", cublaslt_version()},
          {"NCCL", nccl_version()},
          {"oneDNN", fmt::format("{}.{}.{}", dnnl.major, dnnl.minor, dnnl.patch)}};
}

bool vendor_libraries_wanted() {
  const char* const value = std::getenv("BOXCAR_VENDOR");
  const std::string_view word = value ? value : "on";
  if (word != "on" && word != "off") {
    fail<ArgumentError>("the environment's BOXCAR_VENDOR='{}' is neither on nor off", word);
  }
  return word == "on";
}

}  // namespace boxcar::kernels
