#include "boxcar/nn/model/module_rules.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <numeric>

namespace boxcar::model {
namespace {

const std::vector<ModuleRule>& rules() {
  static const std::vector<ModuleRule> kRules{
      {"Conv", Inputs::kOne, {"channels", "kernel", "stride", "padding", "groups", "dilation", "act"}, build_conv},
      {"DWConv", Inputs::kOne, {"channels", "kernel", "stride", "dilation", "act"}, build_dwconv},
      {"Bottleneck", Inputs::kOne, {"channels", "shortcut", "groups", "kernels", "expansion"}, build_bottleneck},
      {"C2f", Inputs::kOne, {"channels", "shortcut", "groups", "expansion"}, build_c2f},
      {"C3", Inputs::kOne, {"channels", "shortcut", "groups", "expansion"}, build_c3},
      {"C3k2", Inputs::kOne, {"channels", "c3k", "expansion", "attn", "groups", "shortcut"}, build_c3k2},
      {"SPP", Inputs::kOne, {"channels", "kernels"}, build_spp},
      {"SPPF", Inputs::kOne, {"channels", "kernel", "n", "shortcut"}, build_sppf},
      {"C2PSA", Inputs::kOne, {"channels", "expansion"}, build_c2psa},
      {"C2fPSA", Inputs::kOne, {"channels", "expansion"}, build_c2psa},
      {"PSA", Inputs::kOne, {"channels", "expansion"}, build_psa},
      {"nn.Upsample", Inputs::kOne, {"size", "scale factor", "mode"}, build_upsample},
      {"nn.MaxPool2d", Inputs::kOne, {"kernel", "stride", "padding"}, build_max_pool},
      {"nn.Identity", Inputs::kOne, {}, build_identity},
      {"Concat", Inputs::kList, {"dimension"}, build_concat},
      {"Detect", Inputs::kList, {"nc"}, build_detect},
  };
  return kRules;
}

constexpr std::array<std::string_view, 40> kUnsupported{
    "A2C2f",
    "AIFI",
    "BottleneckCSP",
    "C1",
    "C2",
    "C2fAttn",
    "C2fCIB",
    "C3Ghost",
    "C3TR",
    "C3k",
    "C3x",
    "CBFuse",
    "CBLinear",
    "CIB",
    "Classify",
    "ConvTranspose",
    "Focus",
    "GhostBottleneck",
    "GhostConv",
    "HGBlock",
    "HGStem",
    "OBB",
    "PSABlock",
    "Pose",
    "RTDETRDecoder",
    "RepC3",
    "RepConv",
    "RepNCSPELAN4",
    "RepVGGDW",
    "ResNetLayer",
    "SCDown",
    "Segment",
    "WorldDetect",
    "nn.BatchNorm2d",
    "nn.Conv2d",
    "nn.ConvTranspose2d",
    "nn.ReLU",
    "nn.SiLU",
    "nn.ZeroPad2d",
    "v10Detect",
};

/// Levenshtein's distance.
std::size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

const ModuleRule* find_rule(std::string_view name) {
  for (const ModuleRule& rule : rules()) {
    if (rule.name == name) return &rule;
  }
  return find_registered(name);
}

bool is_builtin(std::string_view name) {
  return std::any_of(rules().begin(), rules().end(), [&](const ModuleRule& rule) { return rule.name == name; });
}

bool known_but_unsupported(std::string_view name) {
  return std::find(kUnsupported.begin(), kUnsupported.end(), name) != kUnsupported.end();
}

std::string nearest_module(std::string_view name) {
  name = name.substr(0, 60);
  const std::vector<std::string> registered = registered_modules();
  std::string_view best = rules().front().name;
  const auto consider = [&](std::string_view known) {
    if (edits(name, known) < edits(name, best)) best = known;
  };
  for (const ModuleRule& rule : rules()) consider(rule.name);
  for (const std::string& own : registered) consider(own);
  for (const std::string_view known : kUnsupported) consider(known);
  return std::string(best);
}

int output_channels(const Arguments& args, std::size_t i, double width, double max_channels) {
  if (!args.has(i)) {
    args.refuse(i == 0 ? "needs at least one argument, its number of output channels; write it"
                       : fmt::format("needs argument {}, a number of output channels; write it", i + 1));
  }
  const int c2 = scaled_channels(args.integer(i, 0, 1, kMaxChannels), width, max_channels);
  if (c2 < 1 || c2 > kMaxChannels) {
    args.refuse(fmt::format("has {} output channels after scaling; choose channels and width that give 1 to {}", c2,
                            kMaxChannels));
  }
  return c2;
}

int output_channels(const Row& row, const Arguments& args) {
  return output_channels(args, 0, row.model.width, row.model.max_channels);
}

void check_groups(const Arguments& args, int groups, int c1, int c2) {
  if (c1 % groups == 0 && c2 % groups == 0) return;
  args.refuse(
      fmt::format("has {} groups, which do not divide its convolution of {} to {} channels; choose a common divisor",
                  groups, c1, c2));
}

}  // namespace boxcar::model
