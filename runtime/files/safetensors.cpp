#include "boxcar/runtime/files/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <unordered_set>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/safetensors_header.h"
#include "boxcar/runtime/files/tensor_extent.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
static_assert(std::endian::native == std::endian::little, "elements are copied to and from files as they lie");

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;  // the format's own limit

struct Opened {
  InputFile file;
  SafetensorsHeader header;
  std::uint64_t data_begin = 0;
};

void read_header(const fs::path& path, Opened& opened) {
  const std::uint64_t size = opened.file.size;
  if (size < kLengthBytes) fail<IoError>("it holds {} bytes, too few for a header", size);
  std::uint64_t length = 0;
  read_exactly(opened.file, path, 0, reinterpret_cast<std::byte*>(&length), kLengthBytes);
  if (length > kLargestHeader) fail<IoError>("its header would be {} bytes long, more than 100 MB", length);
  if (length > size - kLengthBytes) fail<IoError>("its header is cut short");
  std::string text(static_cast<std::size_t>(length), '\0');
  read_exactly(opened.file, path, kLengthBytes, reinterpret_cast<std::byte*>(text.data()), text.size());
  opened.data_begin = kLengthBytes + length;
  opened.header = parse_safetensors_header(text, size - opened.data_begin);
}

Opened open_safetensors(const fs::path& path) {
  Opened opened{open_input(path), {}, 0};
  try {
    read_header(path, opened);
  } catch (const IoError& error) {
    fail<IoError>("{} is not a usable .safetensors file: {}", quote_path(path), error.what());
  }
  return opened;
}

void check_tensor(const std::string& name, const HostTensor& tensor) {
  const bool has_negative = std::any_of(tensor.shape.begin(), tensor.shape.end(), [](auto side) { return side < 0; });
  const auto count = has_negative ? std::nullopt : checked_count(tensor.shape);
  const auto bytes = count ? checked_product(*count, static_cast<std::int64_t>(size_of(tensor.dtype))) : count;
  if (!bytes || static_cast<std::uint64_t>(*bytes) != tensor.bytes.size()) {
    fail<ArgumentError>("tensor {} has {} bytes, which do not fit its shape", quote(name), tensor.bytes.size());
  }
}

void check_arguments(const NamedTensors& tensors) {
  std::unordered_set<std::string_view> names{"__metadata__"};
  for (const auto& [name, tensor] : tensors) {
    if (!names.insert(name).second) {
      fail<ArgumentError>("a .safetensors file cannot hold the tensor name {} (twice, or reserved)", quote(name));
    }
    check_tensor(name, tensor);
  }
}

// Positions of the tensors in the order of their bytes: large elements first.
std::vector<std::size_t> byte_order(const NamedTensors& tensors) {
  std::vector<std::size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return size_of(tensors[a].second.dtype) > size_of(tensors[b].second.dtype);
  });
  return order;
}

std::string header_text(const NamedTensors& tensors, const std::vector<std::size_t>& order, const TextMap& metadata) {
  std::vector<std::uint64_t> begins(tensors.size());
  std::uint64_t end = 0;
  for (const std::size_t i : order) {
    begins[i] = end;
    end += tensors[i].second.bytes.size();
  }
  // Written piece by piece: a JSON object of the library sorts its keys or searches them one by one.
  std::string text = "{";
  if (!metadata.empty()) text += fmt::format("\"__metadata__\":{}", nlohmann::json(metadata).dump());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    const nlohmann::json shape(tensor.shape);
    text += fmt::format("{}{}:{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}", text.size() > 1 ? "," : "",
                        nlohmann::json(name).dump(), safetensors_name_of(tensor.dtype), shape.dump(), begins[i],
                        begins[i] + tensor.bytes.size());
  }
  text += '}';
  text.append((kLengthBytes - text.size() % kLengthBytes) % kLengthBytes, ' ');
  return text;
}

std::string checked_header_text(const NamedTensors& tensors, const std::vector<std::size_t>& order,
                                const TextMap& metadata) {
  try {
    return header_text(tensors, order, metadata);
  } catch (const nlohmann::json::type_error&) {
    fail<ArgumentError>("a tensor name or metadata text for a .safetensors file is not UTF-8");
  }
}

}  // namespace

NamedTensors read_safetensors(const fs::path& path) {
  const Opened opened = open_safetensors(path);
  NamedTensors tensors;
  tensors.reserve(opened.header.entries.size());
  for (const auto& entry : opened.header.entries) {
    HostTensor tensor{entry.dtype, entry.shape, std::vector<std::byte>(entry.end - entry.begin)};
    read_exactly(opened.file, path, opened.data_begin + entry.begin, tensor.bytes.data(), tensor.bytes.size());
    tensors.emplace_back(entry.name, std::move(tensor));
  }
  return tensors;
}

TextMap read_safetensors_metadata(const fs::path& path) { return open_safetensors(path).header.metadata; }

void write_safetensors(const fs::path& path, const NamedTensors& tensors, const TextMap& metadata) {
  check_arguments(tensors);
  const auto order = byte_order(tensors);
  const std::string text = checked_header_text(tensors, order, metadata);
  if (text.size() > kLargestHeader) fail<ArgumentError>("the header of {} would exceed 100 MB", quote_path(path));
  const std::uint64_t length = text.size();
  AtomicFile file(path);
  file.append(std::as_bytes(std::span(&length, 1)));
  file.append(text);
  for (const std::size_t i : order) file.append(tensors[i].second.bytes);
  file.commit();
}

}  // namespace boxcar
