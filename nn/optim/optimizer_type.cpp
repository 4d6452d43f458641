#include "boxcar/nn/optim/optimizer_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>

#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

struct Entry {
  OptimizerType type;
  std::string_view name;
};
constexpr std::array<Entry, 9> kNames{{{OptimizerType::kSgd, "SGD"},
                                       {OptimizerType::kMuSgd, "MuSGD"},
                                       {OptimizerType::kAdam, "Adam"},
                                       {OptimizerType::kAdamW, "AdamW"},
                                       {OptimizerType::kAdamax, "Adamax"},
                                       {OptimizerType::kNAdam, "NAdam"},
                                       {OptimizerType::kRAdam, "RAdam"},
                                       {OptimizerType::kRmsProp, "RMSProp"},
                                       {OptimizerType::kAuto, "auto"}}};

bool same_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return std::tolower(static_cast<unsigned char>(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace

OptimizerType parse_optimizer(std::string_view name) {
  for (const Entry& entry : kNames) {
    if (same_ignoring_case(entry.name, name)) return entry.type;
  }
  fail<ArgumentError>(
      "optimizer={} is unknown; choose one of SGD, MuSGD, Adam, AdamW, Adamax, NAdam, RAdam, RMSProp, auto", name);
}

std::string_view name_of(OptimizerType type) {
  const auto at = std::find_if(kNames.begin(), kNames.end(), [&](const Entry& entry) { return entry.type == type; });
  return at->name;
}

bool has_momentum(OptimizerType type) {
  return type == OptimizerType::kSgd || type == OptimizerType::kMuSgd || type == OptimizerType::kRmsProp;
}

std::int64_t auto_iterations(std::int64_t images, int batch, int nbs, int epochs) {
  const std::int64_t per_step = std::max({batch, nbs, 1});
  return (images + per_step - 1) / per_step * epochs;
}

AutoOptimizer choose_optimizer(std::int64_t iterations, int classes) {
  if (iterations > 10000) return {OptimizerType::kMuSgd, 0.01};
  // Through text: decimal rounding of the exact value, where multiplying by 1e6 would round twice.
  const std::string rounded = fmt::format("{:.6f}", 0.002 * 5 / (4 + classes));
  return {OptimizerType::kAdamW, std::strtod(rounded.c_str(), nullptr)};
}

}  // namespace boxcar::nn
