// Which libraries of vendors this program has.
#pragma once

#include <string>
#include <vector>

namespace boxcar::kernels {

struct LibraryVersion {
  std::string name;     // "cuDNN"
  std::string version;  // "9.19.0"; empty: not in this build, or not found when it was first looked for
};

/// cuDNN, cuBLASLt, NCCL and oneDNN as they are loaded, not as the headers say. Needs no GPU.
std::vector<LibraryVersion> library_versions();

/// Whether streams of CUDA may use the GPU vendor's libraries: not with BOXCAR_VENDOR=off in the environment. Throws
/// ArgumentError for another value than on or off.
bool vendor_libraries_wanted();

}  // namespace boxcar::kernels
