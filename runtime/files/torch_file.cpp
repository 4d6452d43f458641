#include "boxcar/runtime/files/torch_file.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/descriptor.h"
#include "boxcar/runtime/files/pickle_reader.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/torch_pickle.h"
#include "boxcar/runtime/files/torch_storage.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Kind = PickleValue::Kind;

constexpr std::uint64_t kLargestDescription = std::uint64_t{64} << 20;  // those of real files are below 2 MB
constexpr std::string_view kDescription = "/data.pkl";

std::string first_bytes(const fs::path& path) {
  const InputFile file = open_input(path);
  if (file.size == 0) fail<IoError>("cannot read {}: the file is empty", quote_path(path));
  std::string bytes(static_cast<std::size_t>(std::min<std::uint64_t>(file.size, 32)), '\0');
  read_exactly(file, path, 0, reinterpret_cast<std::byte*>(bytes.data()), bytes.size());
  return bytes;
}

// A number that PyTorch before 1.6 pickled first, as protocol 2 spells it.
constexpr std::string_view kLegacyStart("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 14);

void check_start(const fs::path& path) {
  const std::string start = first_bytes(path);
  if (start.starts_with(kLegacyStart)) {
    fail<IoError>("{} is in the format of PyTorch before 1.6: load it with a newer torch.load and torch.save it again",
                  quote_path(path));
  }
  const std::size_t text = start.find_first_not_of(" \t\r\n");
  if (text != std::string::npos && start[text] == '<') {
    fail<IoError>("{} is not a .pt file but a web page: the download failed", quote_path(path));
  }
  if (!start.starts_with("PK")) fail<IoError>("{} is not a .pt file (no zip archive)", quote_path(path));
}

std::string find_root_folder(const StoredZip& archive) {
  std::string folder;
  for (const std::string& name : archive.names()) {
    const std::size_t slash = name.find('/');
    if (slash == std::string::npos || std::string_view(name).substr(slash) != kDescription) continue;
    if (!folder.empty()) fail<IoError>("it has two records data.pkl");
    folder = name.substr(0, slash);
  }
  if (folder.empty()) fail<IoError>("it has no record data.pkl: it is another kind of zip archive");
  return folder;
}

void refuse_torchscript(const StoredZip& archive, const std::string& folder) {
  const bool has_code = std::any_of(archive.names().begin(), archive.names().end(),
                                    [&](const std::string& name) { return name.starts_with(folder + "/code/"); });
  if (has_code || archive.contains(folder + "/constants.pkl")) {
    fail<IoError>("it is a TorchScript archive, an export with code; give the checkpoint it was made from");
  }
}

std::string read_text(const StoredZip& archive, const std::string& name, std::uint64_t limit) {
  const std::uint64_t size = archive.size_of_entry(name);
  if (size > limit) fail<IoError>("record {} holds {} bytes, more than {}", quote(name), size, limit);
  const auto bytes = archive.read(name);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

bool is_big_endian(const StoredZip& archive, const std::string& folder) {
  const std::string name = folder + "/byteorder";
  if (!archive.contains(name)) return false;
  const std::string order = read_text(archive, name, 16);
  if (order != "little" && order != "big") fail<IoError>("its byte order is {}", quote(order));
  return order == "big";
}

/// Copies a tree, reading tensors. Values already copied are found by identity, so the copy is no larger than the tree.
class TreeLoader {
 public:
  explicit TreeLoader(StorageReader storages) : storages_(std::move(storages)) {}

  PickleValue load(const PickleValue& value, const std::string& name, std::size_t depth = 0) {
    if (!value.identity()) return value;
    if (const auto found = copies_.find(value.identity()); found != copies_.end()) return found->second;
    if (depth > kLargestPickleDepth) fail<IoError>("{} is nested too deeply", quote(name));
    PickleValue copy = copy_of(value, name, depth);
    copies_.emplace(value.identity(), copy);
    return copy;
  }

 private:
  PickleValue copy_of(const PickleValue& value, const std::string& name, std::size_t depth) {
    switch (value.kind()) {
      case Kind::kStoredTensor:
        return PickleValue::tensor(storages_.read(*value.stored_tensor(), name));
      case Kind::kDict:
        return copy_of_dict(value, name, depth);
      case Kind::kList:
        return PickleValue::list(copies_of(value, name, depth));
      case Kind::kTuple:
        return PickleValue::tuple(copies_of(value, name, depth));
      case Kind::kSet:
        return PickleValue::set(copies_of(value, name, depth));
      case Kind::kRecord:
        return copy_of_record(value, name, depth);
      default:
        return value;
    }
  }

  PickleValue::Items copies_of(const PickleValue& value, const std::string& name, std::size_t depth) {
    PickleValue::Items items;
    for (const PickleValue& item : value.items()) items.push_back(load(item, name + "[]", depth + 1));
    return items;
  }

  PickleValue copy_of_dict(const PickleValue& value, const std::string& name, std::size_t depth) {
    PickleValue copy = PickleValue::dict();
    for (const auto& [key, entry] : value.entries()) {
      const std::string entry_name = key.text() ? name + "." + *key.text() : name + "[]";
      copy.append_entry(load(key, name, depth + 1), load(entry, entry_name, depth + 1));
    }
    copy.set_state(load(value.state(), name, depth + 1));
    return copy;
  }

  PickleValue copy_of_record(const PickleValue& value, const std::string& name, std::size_t depth) {
    PickleValue copy = PickleValue::record(std::string(value.class_name()), load(value.arguments(), name, depth + 1));
    copy.set_state(load(value.state(), name, depth + 1));
    return copy;
  }

  StorageReader storages_;
  std::unordered_map<const void*, PickleValue> copies_;
};

StoredZip open_archive(const fs::path& path) {
  check_start(path);
  try {
    return StoredZip(path);
  } catch (const Error& error) {
    fail<IoError>("{} cannot be read as a .pt file: {}", quote_path(path), error.what());
  }
}

}  // namespace

TorchFile::TorchFile(fs::path path, StoredZip archive) : path_(std::move(path)), archive_(std::move(archive)) {}

/// Puts the file's name in front of what an action finds wrong with its content.
template <class F>
auto TorchFile::named(F&& action) const {
  try {
    return action();
  } catch (const Error& error) {
    fail<IoError>("{} cannot be read as a .pt file: {}", quote_path(path_), error.what());
  }
}

TorchFile TorchFile::open(const fs::path& path) {
  TorchFile file(path, open_archive(path));
  file.named([&] { file.read_description(); });
  return file;
}

void TorchFile::read_description() {
  root_folder_ = find_root_folder(archive_);
  refuse_torchscript(archive_, root_folder_);
  swap_bytes_ = is_big_endian(archive_, root_folder_);
  TorchMeaning meaning;
  root_ = read_pickle(read_text(archive_, root_folder_ + std::string(kDescription), kLargestDescription), meaning);
}

StorageReader TorchFile::storages() const { return StorageReader(archive_, root_folder_, swap_bytes_); }

TorchNetwork TorchFile::network() const {
  return named([&] { return TorchNetwork::find(root_); });
}

NamedTensors TorchFile::state_dict() const {
  return named([&] {
    StorageReader reader = storages();
    NamedTensors tensors;
    for (const auto& [name, value] : TorchNetwork::find(root_).state()) {
      tensors.emplace_back(name, reader.read(*value.stored_tensor(), name));
    }
    return tensors;
  });
}

HostTensor TorchFile::tensor(const PickleValue& value, std::string_view name) const {
  return named([&] {
    if (!value.stored_tensor()) fail<IoError>("{} is {}, not a tensor", quote(name), value.kind_name());
    return storages().read(*value.stored_tensor(), name);
  });
}

PickleValue TorchFile::load_tensors(const PickleValue& tree) const {
  return named([&] { return TreeLoader(storages()).load(tree, "value"); });
}

}  // namespace boxcar
