// How a run chooses the library plans of its convolutions on a GPU, and remembers the choice. Does nothing elsewhere.
#pragma once

#include <filesystem>

#include "boxcar/runtime/base/log.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/trainers/args/args.h"

namespace boxcar {

/// deterministic=True takes the library's first plan that fits, which is the same each time; without it plans are
/// timed and the fastest is taken.
void set_up_convolutions(Stream& stream, const Args& args, const Log& log);

/// The choices of a run, in convolution_plans.txt of its folder, so that it goes on with the same ones when it is
/// resumed: what was timed may turn out differently the next time, and then the bits differ.
class ConvolutionPlansFile {
 public:
  ConvolutionPlansFile() = default;
  explicit ConvolutionPlansFile(std::filesystem::path folder) : file_(std::move(folder) / "convolution_plans.txt") {}

  /// Uses what the file says, if it is there. A file that is none gives a warning.
  void read(Stream& stream, const Log& log) const;
  /// Writes the file if there are choices that are not in it. Throws IoError.
  void write(Stream& stream);

 private:
  std::filesystem::path file_;
  int written_ = 0;
};

}  // namespace boxcar
