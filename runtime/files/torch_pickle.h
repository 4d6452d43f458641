// What the globals of a .pt file's pickle mean.
#pragma once

#include "boxcar/runtime/files/pickle_reader.h"

namespace boxcar {

/// Tensors become StoredTensor values, ordered dicts dicts, sizes tuples, paths and devices texts, NumPy scalars
/// numbers; network classes, NumPy arrays, dates and getattr become inert records. A call of anything else is an
/// IoError that names it.
class TorchMeaning : public PickleMeaning {
 public:
  PickleValue call(const std::string& function, const PickleValue& arguments) override;
  PickleValue outside(const PickleValue& id) override;
};

}  // namespace boxcar
