// Writes plain values and tensors as a pickle that torch.load(weights_only=True) accepts.
#pragma once

#include <string>
#include <vector>

#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

struct PickledTree {
  std::string pickle;                       // protocol 2
  std::vector<const HostTensor*> storages;  // the storage with key "N" is the N-th; they belong to the tree
};

/// Pickles null, booleans, integers, floats, texts, lists, tuples, dicts (keys: null to text, or tuples of such) and
/// tensors in memory. The bytes depend on the values alone, not on what they share. Throws ArgumentError, naming the
/// place, for another kind, a text that is not UTF-8, a tensor whose bytes do not fit its shape, a value that contains
/// itself or is nested deeper than 100, or more than 2,000,000 values.
PickledTree write_pickle(const PickleValue& root);

}  // namespace boxcar
