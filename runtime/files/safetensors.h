// The .safetensors format: eight bytes of header length (little-endian), a JSON header, the elements.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "boxcar/runtime/files/host_tensor.h"

namespace boxcar {

/// The free-form texts of the header's "__metadata__".
using TextMap = std::map<std::string, std::string>;

/// The tensors of a file, in the order of its header. Throws IoError (one sentence naming the file) where it cannot be
/// read, the header is not the JSON of the format, larger than 100 MB or claims a type that DType lacks, a name occurs
/// twice, or the tensors overlap, leave gaps or do not end with the file.
NamedTensors read_safetensors(const std::filesystem::path& path);

/// The metadata of a file; empty where it has none. Reads and checks the header alone. Errors as read_safetensors.
TextMap read_safetensors_metadata(const std::filesystem::path& path);

/// Writes `tensors` atomically. Equal arguments give equal bytes: the header lists the tensors in the given order, the
/// elements follow by falling element size (so that each tensor is aligned to its type), in that order within a size;
/// the header is padded with spaces to a multiple of 8 bytes. Throws ArgumentError where a name occurs twice, is
/// "__metadata__" or not UTF-8, or the bytes of a tensor do not fit its shape; IoError where it cannot be written.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors, const TextMap& metadata = {});

}  // namespace boxcar
