// Activations as model files and checkpoints spell them. Private to nn/model.
#pragma once

#include <optional>
#include <string_view>

#include "boxcar/kernels/activation/activation_math.h"

namespace boxcar::model {

/// Reads "nn.ReLU()", "torch.nn.LeakyReLU(0.1)", "SiLU(inplace=True)": a known name, perhaps with its module in front,
/// and literal arguments in parentheses. Nothing is evaluated. Nothing if the text is anything else.
std::optional<kernels::Act> parse_activation(std::string_view text);

/// The names that parse_activation knows, for messages.
inline constexpr std::string_view kActivationNames =
    "nn.SiLU(), nn.ReLU(), nn.LeakyReLU(0.1), nn.ReLU6(), nn.Hardswish(), nn.GELU(), nn.ELU(1.0), nn.Mish(), "
    "nn.Sigmoid() or nn.Identity()";

}  // namespace boxcar::model
