// Convolutions as graphs of cuDNN, and the plans that it has for them.
#pragma once

#include <memory>
#include <string_view>

#include "boxcar/kernels/conv/conv_plans.h"

namespace boxcar::kernels {

/// For the card that `card` describes in the library's JSON (cuDNN 9.11): needs no card, and its plans cannot run.
/// Throws DeviceError if the library does not understand the description.
std::unique_ptr<ConvEngine> make_cudnn_engine(std::string_view card);

}  // namespace boxcar::kernels
