#include "boxcar/runtime/files/torch_storage.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/tensor_extent.h"
#include "boxcar/runtime/files/torch_storage_types.h"

namespace boxcar {
namespace {

constexpr std::uint64_t kBytesFree = std::uint64_t{1} << 20;
constexpr std::uint64_t kFileMultiple = 8;

// Elements of the view, after checking that all of them lie in the storage.
std::int64_t checked_view(const StoredTensor& view, std::string_view name) {
  const auto is_negative = [](std::int64_t value) { return value < 0; };
  if (std::any_of(view.shape.begin(), view.shape.end(), is_negative)) {
    fail<IoError>("tensor {} has a negative size", quote(name));
  }
  if (std::any_of(view.strides.begin(), view.strides.end(), is_negative)) {
    fail<IoError>("tensor {} has a negative stride", quote(name));
  }
  if (view.offset < 0 || view.storage_elements < 0) fail<IoError>("tensor {} has a negative offset", quote(name));
  const auto count = checked_count(view.shape);
  if (!count) fail<IoError>("tensor {} has an element count that overflows", quote(name));
  if (*count == 0) return 0;
  std::optional<std::int64_t> last = view.offset;
  for (std::size_t i = 0; i < view.shape.size() && last; ++i) {
    const auto step = checked_product(view.shape[i] - 1, view.strides[i]);
    last = step ? checked_sum(*last, *step) : step;
  }
  if (!last || *last >= view.storage_elements) {
    fail<IoError>("tensor {} is a view outside its storage of {} elements", quote(name), view.storage_elements);
  }
  return *count;
}

bool is_contiguous(const StoredTensor& view) {
  std::int64_t expected = 1;
  for (std::size_t i = view.shape.size(); i-- > 0;) {
    if (view.shape[i] != 1 && view.strides[i] != expected) return false;
    expected *= view.shape[i];
  }
  return true;
}

// Walks the view's indices like an odometer, the last dimension fastest. The view has elements and dimensions.
void gather(const StoredTensor& view, std::size_t element, const std::byte* storage, std::vector<std::byte>& out) {
  std::array<std::int64_t, kLargestRank> index{};
  std::int64_t at = view.offset;
  for (std::size_t i = 0; i < out.size(); i += element) {
    std::memcpy(out.data() + i, storage + static_cast<std::size_t>(at) * element, element);
    for (std::size_t d = view.shape.size(); d-- > 0;) {
      at += view.strides[d];
      if (++index[d] < view.shape[d]) break;
      at -= view.strides[d] * view.shape[d];
      index[d] = 0;
    }
  }
}

void swap_elements(std::vector<std::byte>& bytes, std::size_t element) {
  for (auto at = bytes.begin(); at != bytes.end(); at += static_cast<std::ptrdiff_t>(element)) {
    std::reverse(at, at + static_cast<std::ptrdiff_t>(element));
  }
}

}  // namespace

StorageReader::StorageReader(const StoredZip& archive, std::string root, bool swap_bytes)
    : archive_(archive),
      root_(std::move(root)),
      swap_bytes_(swap_bytes),
      bytes_left_(kBytesFree + kFileMultiple * archive.file_bytes()) {}

void StorageReader::check_storage(const StoredTensor& view, DType dtype, std::string_view name) const {
  const std::uint64_t held = archive_.size_of_entry(record_of(view));
  const auto declared = checked_product(view.storage_elements, static_cast<std::int64_t>(size_of(dtype)));
  if (!declared) fail<IoError>("storage {} of tensor {} has a size that overflows", quote(view.key), quote(name));
  if (static_cast<std::uint64_t>(*declared) > held) {
    fail<IoError>("storage {} of tensor {} holds {} bytes, {} declared", quote(view.key), quote(name), held, *declared);
  }
}

const std::vector<std::byte>& StorageReader::storage(const StoredTensor& view) {
  const auto [found, is_new] = storages_.try_emplace(view.key);
  if (is_new) found->second = archive_.read(record_of(view));
  return found->second;
}

HostTensor StorageReader::read(const StoredTensor& view, std::string_view name) {
  const auto dtype = dtype_of_storage(view.storage_type);
  if (!dtype) {
    fail<IoError>("tensor {} has elements of type {}, which is not supported", quote(name), quote(view.storage_type));
  }
  const std::int64_t count = checked_view(view, name);
  check_storage(view, *dtype, name);
  const std::size_t element = size_of(*dtype);
  const auto bytes = checked_product(count, static_cast<std::int64_t>(element));
  if (!bytes || static_cast<std::uint64_t>(*bytes) > bytes_left_) {
    fail<IoError>("tensor {} repeats elements far beyond the size of the file", quote(name));
  }
  bytes_left_ -= static_cast<std::uint64_t>(*bytes);
  HostTensor tensor{*dtype, view.shape, std::vector<std::byte>(static_cast<std::size_t>(*bytes))};
  if (count == 0) return tensor;
  const std::byte* source = storage(view).data();
  if (is_contiguous(view)) {
    std::memcpy(tensor.bytes.data(), source + static_cast<std::size_t>(view.offset) * element, tensor.bytes.size());
  } else {
    gather(view, element, source, tensor.bytes);
  }
  if (swap_bytes_) swap_elements(tensor.bytes, element);
  return tensor;
}

}  // namespace boxcar
