// How much each branch of an end-to-end head counts in the loss.
#pragma once

#include <algorithm>

namespace boxcar::nn {

struct BranchWeights {
  double one2many = 0.8, one2one = 0.2;
};

/// After `epoch` finished epochs of a run of `epochs`: one2many falls linearly from 0.8 to 0.1, one2one has the rest.
inline BranchWeights branch_weights(int epoch, int epochs) {
  const double left = std::max(0.0, 1.0 - double(epoch) / std::max(epochs - 1, 1));
  const double many = left * (0.8 - 0.1) + 0.1;
  return {many, std::max(0.0, 1.0 - many)};
}

}  // namespace boxcar::nn
