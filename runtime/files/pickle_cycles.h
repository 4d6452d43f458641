// Values that contain themselves.
#pragma once

#include <unordered_set>

#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

/// Puts a kCycle wherever a value below `root` mentions itself or a value that it lies in. Gives the identities of all
/// values that `root` leads to. Throws IoError where they are nested deeper than kLargestPickleDepth.
std::unordered_set<const void*> cut_cycles(PickleValue& root);

}  // namespace boxcar
