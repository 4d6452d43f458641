// Why CUDA does not work on a machine, as a user needs to hear it.
#pragma once

#include <string>
#include <string_view>

namespace boxcar {

/// Versions as CUDA gives them: 12040 is 12.4. A driver of version 0 is not installed.
struct CudaVersions {
  int driver = 0;   // the newest CUDA that the driver serves
  int runtime = 0;  // of this program
};

/// What is the matter and the remedy, for an error of cudaGetDeviceCount() (its number, and what CUDA calls it).
std::string cuda_trouble(int error, std::string_view name, CudaVersions versions);

/// Whether kernels compiled for `architectures`, a list as CMAKE_CUDA_ARCHITECTURES has it ("80;90a;100-real"), run on
/// a GPU of compute capability `major`.`minor`: by code for that major number and no higher minor one, or by code that
/// the driver translates for any later GPU (entries without -real). Entries with a letter are for one GPU alone.
bool has_code_for(std::string_view architectures, int major, int minor);

}  // namespace boxcar
