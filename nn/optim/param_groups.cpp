#include "boxcar/nn/optim/param_groups.h"

namespace boxcar::nn {
namespace {

constexpr double kBoost = 3.0;

bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

bool in_class_branch(std::string_view name, std::string_view head) {
  if (head.empty() || !name.starts_with(head)) return false;
  name.remove_prefix(head.size());
  return name.starts_with("cv3.") || name.starts_with("one2one_cv3.");
}

}  // namespace

std::string_view name_of(GroupKind kind) {
  switch (kind) {
    case GroupKind::kWeight:
      return "weight";
    case GroupKind::kNorm:
      return "bn";
    case GroupKind::kBias:
      return "bias";
    case GroupKind::kMuon:
      return "muon";
  }
  return "weight";
}

GroupChoice choose_group(OptimizerType type, const ParamTraits& param, std::string_view head) {
  const bool muon = type == OptimizerType::kMuSgd;
  GroupChoice choice{GroupKind::kWeight, muon && in_class_branch(param.name, head)};
  if (muon && (param.dims == 2 || param.dims == 4)) {
    choice.kind = GroupKind::kMuon;
  } else if (contains(param.name, "bias")) {
    choice.kind = GroupKind::kBias;
  } else if (param.is_norm || contains(param.name, "logit_scale")) {
    choice.kind = GroupKind::kNorm;
  }
  return choice;
}

bool always_frozen(std::string_view name) { return contains(name, ".dfl"); }

std::vector<ParamGroup> make_groups(OptimizerType type, double lr, double momentum, double weight_decay) {
  std::vector<ParamGroup> groups;
  const auto add = [&](GroupKind kind, bool boosted) {
    const double rate = boosted ? kBoost * lr : lr;
    const bool decays = kind == GroupKind::kWeight || kind == GroupKind::kMuon;
    groups.push_back({kind, boosted, rate, rate, momentum, momentum, decays ? weight_decay : 0.0});
  };
  const bool muon = type == OptimizerType::kMuSgd;
  for (const GroupKind kind : {GroupKind::kWeight, GroupKind::kNorm, GroupKind::kBias, GroupKind::kMuon}) {
    if (kind == GroupKind::kMuon && !muon) continue;
    if (muon) add(kind, true);
    add(kind, false);
  }
  return groups;
}

int group_index(OptimizerType type, const GroupChoice& choice) {
  const int kind = static_cast<int>(choice.kind);
  return type == OptimizerType::kMuSgd ? 2 * kind + (choice.boosted ? 0 : 1) : kind;
}

}  // namespace boxcar::nn
