// PyTorch's .pt files, read as data.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "boxcar/runtime/files/pickle_value.h"
#include "boxcar/runtime/files/stored_zip.h"
#include "boxcar/runtime/files/torch_network.h"

namespace boxcar {

/// An opened .pt file (zip format, PyTorch 1.6 and later). Its description is in memory, its tensors are read when
/// asked for. Nothing in it is ever executed. All errors are IoErrors of one sentence that name the file. Not for use
/// from several threads at once.
class TorchFile {
 public:
  /// Reads everything but the tensors. Refuses what is not a .pt file, TorchScript exports, files of PyTorch
  /// before 1.6, damaged archives, and pickles that ask for anything but data.
  static TorchFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return path_; }
  /// The top level, usually a dict. Tensors in it are stored ones.
  const PickleValue& root() const { return root_; }
  /// The part with the weights (see TorchNetwork::find).
  TorchNetwork network() const;
  /// The weights, by their names in the network's state dict, in its order, with their types in the file.
  NamedTensors state_dict() const;

  /// The elements of one stored tensor. `name` is for messages.
  HostTensor tensor(const PickleValue& value, std::string_view name) const;
  /// A copy of a tree with all its stored tensors read into memory; what was shared stays shared.
  PickleValue load_tensors(const PickleValue& tree) const;

 private:
  TorchFile(std::filesystem::path path, StoredZip archive);
  void read_description();
  class StorageReader storages() const;
  template <class F>
  auto named(F&& action) const;

  std::filesystem::path path_;
  StoredZip archive_;
  std::string root_folder_;
  bool swap_bytes_ = false;
  PickleValue root_;
};

}  // namespace boxcar
