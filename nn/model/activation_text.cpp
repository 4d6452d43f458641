#include "boxcar/nn/model/activation_text.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

namespace boxcar::model {
namespace {

using kernels::ActKind;

struct Known {
  std::string_view name;
  ActKind kind;
  std::string_view parameter;  // name of its number, empty if it takes none
  float otherwise;             // the number where the text gives none
};
constexpr std::array kKnown{
    Known{"SiLU", ActKind::kSilu, "", 0},
    Known{"ReLU", ActKind::kRelu, "", 0},
    Known{"LeakyReLU", ActKind::kLeakyRelu, "negative_slope", 0.01f},
    Known{"ReLU6", ActKind::kRelu6, "", 0},
    Known{"Hardswish", ActKind::kHardswish, "", 0},
    Known{"GELU", ActKind::kGelu, "", 0},
    Known{"ELU", ActKind::kElu, "alpha", 1.0f},
    Known{"Mish", ActKind::kMish, "", 0},
    Known{"Sigmoid", ActKind::kSigmoid, "", 0},
    Known{"Identity", ActKind::kIdentity, "", 0},
};

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

bool read_float(std::string_view text, float& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(out);
}

/// Whether PyTorch's class takes the argument inplace, which changes no value.
bool takes_inplace(ActKind kind) {
  return kind != ActKind::kGelu && kind != ActKind::kSigmoid && kind != ActKind::kIdentity;
}

/// One of "0.1", "alpha=0.1", "inplace=True"; the number may stand without its name in the first place only.
bool take_argument(const Known& known, std::string_view argument, bool first, float& parameter) {
  const auto equals = argument.find('=');
  const std::string_view value = equals == argument.npos ? argument : trimmed(argument.substr(equals + 1));
  const std::string_view key =
      equals != argument.npos ? trimmed(argument.substr(0, equals)) : (first ? known.parameter : std::string_view{});
  const bool truth = value == "True" || value == "False";
  if (key == "inplace" || (key.empty() && equals == argument.npos)) return truth && takes_inplace(known.kind);
  return !key.empty() && key == known.parameter && read_float(value, parameter);
}

}  // namespace

std::optional<kernels::Act> parse_activation(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with("torch.")) text.remove_prefix(6);
  if (text.starts_with("nn.")) text.remove_prefix(3);
  const auto open = text.find('(');
  if (open == text.npos || text.back() != ')') return std::nullopt;
  const std::string_view name = text.substr(0, open);
  std::string_view rest = trimmed(text.substr(open + 1, text.size() - open - 2));
  for (const Known& known : kKnown) {
    if (known.name != name) continue;
    kernels::Act act{known.kind, known.otherwise};
    for (bool first = true; !rest.empty(); first = false) {
      const auto comma = rest.find(',');
      if (!take_argument(known, trimmed(rest.substr(0, comma)), first, act.parameter)) return std::nullopt;
      rest = comma == rest.npos ? std::string_view{} : trimmed(rest.substr(comma + 1));
    }
    return act;
  }
  return std::nullopt;
}

}  // namespace boxcar::model
