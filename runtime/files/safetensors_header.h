// The JSON header of a .safetensors file, checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/runtime/base/dtype.h"
#include "boxcar/runtime/files/safetensors.h"

namespace boxcar {

struct SafetensorsEntry {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::uint64_t begin = 0, end = 0;  // bytes, from the end of the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the header's order
  TextMap metadata;
};

/// Parses and checks everything that the text alone shows, and that the tensors fill `data_bytes` without overlap or
/// gap. Throws IoError without naming the file: "its header ...", to follow a colon.
SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes);

/// "F32", "BF16", ...: the name of the format for a type.
std::string_view safetensors_name_of(DType dtype);

}  // namespace boxcar
