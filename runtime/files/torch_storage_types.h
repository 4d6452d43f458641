// PyTorch's storage classes and their element types.
#pragma once

#include <optional>
#include <string_view>

#include "boxcar/runtime/base/dtype.h"

namespace boxcar {

/// The element type of "FloatStorage", ...; empty for one that is not supported (complex, quantised).
std::optional<DType> dtype_of_storage(std::string_view storage_class);
/// The storage class of an element type.
std::string_view storage_class_of(DType dtype);

}  // namespace boxcar
