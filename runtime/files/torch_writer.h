// Writes PyTorch's .pt files.
#pragma once

#include <filesystem>

#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

/// Writes a tree of plain values and tensors in memory atomically as a .pt file that torch.load(weights_only=True) and
/// TorchFile read. Equal trees give equal bytes, whatever the path. Each mention of a tensor gets a storage of its own.
/// Throws ArgumentError for values that write_pickle (pickle_writer.h) refuses, and IoError naming the file where it
/// cannot be written or would exceed 4 GiB.
void write_torch_file(const std::filesystem::path& path, const PickleValue& root);

}  // namespace boxcar
