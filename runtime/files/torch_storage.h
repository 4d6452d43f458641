// From a claim about a storage to elements in memory, checked.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "boxcar/runtime/files/pickle_value.h"
#include "boxcar/runtime/files/stored_zip.h"

namespace boxcar {

/// Reads tensors of one archive. All tensors that one reader gives hold together at most 1 MiB plus 8 times the
/// file's bytes: views that repeat elements (stride 0) cannot ask for more. Each storage is read once.
class StorageReader {
 public:
  /// Records are <root>/data/<key>. `swap_bytes`: the file is big-endian.
  StorageReader(const StoredZip& archive, std::string root, bool swap_bytes);

  /// The elements of a view, row-major. `name` is for messages. Throws IoError without the file's name: an element
  /// type that DType lacks, negative or overflowing sizes, a view outside its storage, a storage that is missing,
  /// shorter than claimed or compressed, or more bytes than the bound.
  HostTensor read(const StoredTensor& view, std::string_view name);

 private:
  std::string record_of(const StoredTensor& view) const { return root_ + "/data/" + view.key; }
  void check_storage(const StoredTensor& view, DType dtype, std::string_view name) const;
  const std::vector<std::byte>& storage(const StoredTensor& view);

  const StoredZip& archive_;
  std::string root_;
  bool swap_bytes_;
  std::uint64_t bytes_left_;
  std::unordered_map<std::string, std::vector<std::byte>> storages_;
};

}  // namespace boxcar
