#include "boxcar/runtime/files/torch_storage_types.h"

#include <algorithm>
#include <array>

namespace boxcar {
namespace {

struct StorageType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<StorageType, 10> kStorageTypes{{{"FloatStorage", DType::kF32},
                                                     {"HalfStorage", DType::kF16},
                                                     {"BFloat16Storage", DType::kBF16},
                                                     {"DoubleStorage", DType::kF64},
                                                     {"LongStorage", DType::kI64},
                                                     {"IntStorage", DType::kI32},
                                                     {"ShortStorage", DType::kI16},
                                                     {"CharStorage", DType::kI8},
                                                     {"ByteStorage", DType::kU8},
                                                     {"BoolStorage", DType::kBool}}};

}  // namespace

std::optional<DType> dtype_of_storage(std::string_view storage_class) {
  const auto found = std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                                  [&](const StorageType& type) { return type.name == storage_class; });
  return found == kStorageTypes.end() ? std::nullopt : std::optional(found->dtype);
}

std::string_view storage_class_of(DType dtype) {
  return std::find_if(kStorageTypes.begin(), kStorageTypes.end(),
                      [&](const StorageType& type) { return type.dtype == dtype; })
      ->name;
}

}  // namespace boxcar
