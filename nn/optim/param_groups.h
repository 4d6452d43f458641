// Which parameters share a learning rate and a weight decay.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/nn/optim/optimizer_type.h"

namespace boxcar::nn {

enum class GroupKind { kWeight, kNorm, kBias, kMuon };

/// "weight", "bn", "bias", "muon": what logs and checkpoints call them.
std::string_view name_of(GroupKind kind);

struct ParamTraits {
  std::string_view name;  // as in the state dict: "model.22.cv3.0.2.bias"
  int dims = 0;           // of the tensor in the state dict: 4 for a convolution's weight
  bool is_norm = false;   // belongs to a normalisation layer
};

struct GroupChoice {
  GroupKind kind = GroupKind::kWeight;
  bool boosted = false;  // 3 x learning rate
  bool operator==(const GroupChoice&) const = default;
};

/// The first that fits: matrices and convolutions of MuSGD; biases by name, those of norms included; norm weights and
/// "logit_scale"; the rest. MuSGD boosts the head's class branches, names that start with
/// head + "cv3." or head + "one2one_cv3."; head ends in a dot ("model.23.") and may be empty for no head.
GroupChoice choose_group(OptimizerType type, const ParamTraits& param, std::string_view head);

/// The fixed projection of distances (".dfl" in its name) never trains, whatever `freeze` says.
bool always_frozen(std::string_view name);

struct ParamGroup {
  GroupKind kind = GroupKind::kWeight;
  bool boosted = false;
  double initial_lr = 0.0;
  double lr = 0.0;                // current, set by the schedule
  double initial_momentum = 0.0;  // beta1 of the Adam family
  double momentum = 0.0;
  double weight_decay = 0.0;
};

/// All groups in their fixed order, some of which may stay empty: weight, bn, bias; for MuSGD weight, bn, bias, muon,
/// each boosted (3 x lr) and plain. Decay acts on weight and muon only.
std::vector<ParamGroup> make_groups(OptimizerType type, double lr, double momentum, double weight_decay);

/// Index in make_groups' order.
int group_index(OptimizerType type, const GroupChoice& choice);

}  // namespace boxcar::nn
