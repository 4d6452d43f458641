#include "boxcar/runtime/files/safetensors_header.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_set>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/tensor_extent.h"

namespace boxcar {
namespace {

constexpr std::string_view kMetadataName = "__metadata__";

struct TypeName {
  std::string_view name;
  DType dtype;
};
constexpr std::array<TypeName, 10> kTypeNames{{{"F32", DType::kF32},
                                               {"BF16", DType::kBF16},
                                               {"F16", DType::kF16},
                                               {"F64", DType::kF64},
                                               {"I64", DType::kI64},
                                               {"I32", DType::kI32},
                                               {"I16", DType::kI16},
                                               {"I8", DType::kI8},
                                               {"U8", DType::kU8},
                                               {"BOOL", DType::kBool}}};

DType dtype_from(const std::string& name, const std::string& tensor) {
  const auto found = std::find_if(kTypeNames.begin(), kTypeNames.end(), [&](const auto& t) { return t.name == name; });
  if (found == kTypeNames.end()) {
    fail<IoError>("tensor {} has the element type {}, which is not supported", quote(tensor), quote(name));
  }
  return found->dtype;
}

/// Receives the parser's events. The header has a fixed shape, {name: {dtype, shape, data_offsets}}, so the position
/// is the depth plus the field being filled, and whatever does not fit there is refused where it stands. Nothing is
/// built besides the entries: a hostile text cannot nest or repeat its way into memory.
class HeaderReader {
 public:
  using number_integer_t = nlohmann::json::number_integer_t;
  using number_unsigned_t = nlohmann::json::number_unsigned_t;
  using number_float_t = nlohmann::json::number_float_t;
  using string_t = nlohmann::json::string_t;
  using binary_t = nlohmann::json::binary_t;

  SafetensorsHeader header;

  bool null() { refuse("null"); }
  bool boolean(bool) { refuse("a truth value"); }
  bool number_float(number_float_t, const string_t&) { refuse("a fraction"); }
  bool binary(binary_t&) { refuse("binary data"); }
  bool number_integer(number_integer_t) { refuse("a negative number"); }

  bool number_unsigned(number_unsigned_t value) {
    if (!is_in_array_) refuse("a number");
    if (value > static_cast<number_unsigned_t>(INT64_MAX)) refuse("a number above 2^63");
    const std::size_t limit = field_ == Field::kShape ? kLargestRank : 2;
    if (numbers_.size() == limit) fail<IoError>("its header gives {} more than {} numbers", where(), limit);
    numbers_.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool string(string_t& text) {
    if (depth_ == 2 && is_metadata_) {
      if (!header.metadata.emplace(key_, text).second) refuse_repeat(key_);
    } else if (depth_ == 2 && field_ == Field::kType) {
      entry_.dtype = dtype_from(text, entry_.name);
    } else {
      refuse("a text");
    }
    return true;
  }

  bool start_object(std::size_t) {
    if (depth_ == 2 || is_in_array_) refuse("an object");
    ++depth_;
    return true;
  }

  bool key(string_t& name) {
    if (depth_ == 1) {
      start_entry(name);
    } else if (is_metadata_) {
      key_ = name;
    } else {
      start_field(name);
    }
    return true;
  }

  bool end_object() {
    if (--depth_ == 1 && !is_metadata_) finish_entry();
    return true;
  }

  bool start_array(std::size_t) {
    if (depth_ != 2 || is_metadata_ || is_in_array_ || field_ == Field::kType) refuse("a list");
    is_in_array_ = true;
    numbers_.clear();
    return true;
  }

  bool end_array() {
    is_in_array_ = false;
    if (field_ == Field::kShape) {
      entry_.shape = numbers_;
    } else {
      if (numbers_.size() != 2) fail<IoError>("its header gives {} {} of 2 numbers", where(), numbers_.size());
      entry_.begin = static_cast<std::uint64_t>(numbers_[0]);
      entry_.end = static_cast<std::uint64_t>(numbers_[1]);
    }
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) {
    fail<IoError>("its header is not well-formed JSON (byte {})", position + 8);
  }

 private:
  enum class Field { kType, kShape, kOffsets, kCount };

  std::string where() const {
    if (entry_.name.empty() && depth_ < 2) return "at the top";
    return "for " + quote(is_metadata_ ? kMetadataName : std::string_view(entry_.name));
  }
  [[noreturn]] void refuse(const char* what) const {
    fail<IoError>("its header has {} {} where the format has none", what, where());
  }
  [[noreturn]] void refuse_repeat(const std::string& name) const {
    fail<IoError>("its header has the name {} twice", quote(name));
  }

  void start_entry(const std::string& name) {
    if (!names_.insert(name).second) refuse_repeat(name);
    is_metadata_ = name == kMetadataName;
    entry_ = SafetensorsEntry{.name = name, .dtype = {}, .shape = {}, .begin = 0, .end = 0};
    seen_.fill(false);
  }

  void start_field(const std::string& name) {
    static constexpr std::array<std::string_view, 3> kFields{"dtype", "shape", "data_offsets"};
    const auto found = std::find(kFields.begin(), kFields.end(), name);
    if (found == kFields.end()) fail<IoError>("its header has the unknown field {} {}", quote(name), where());
    field_ = static_cast<Field>(found - kFields.begin());
    if (std::exchange(seen_[static_cast<std::size_t>(field_)], true)) refuse_repeat(name);
  }

  void finish_entry() {
    if (!std::all_of(seen_.begin(), seen_.end(), [](bool seen) { return seen; })) {
      fail<IoError>("its header lacks dtype, shape or data_offsets {}", where());
    }
    const auto count = checked_count(entry_.shape);
    const auto bytes = count ? checked_product(*count, static_cast<std::int64_t>(size_of(entry_.dtype))) : count;
    if (!bytes) fail<IoError>("tensor {} has a shape whose size overflows", quote(entry_.name));
    if (entry_.end < entry_.begin || entry_.end - entry_.begin != static_cast<std::uint64_t>(*bytes)) {
      fail<IoError>("tensor {} needs {} bytes but its data_offsets are {} to {}", quote(entry_.name), *bytes,
                    entry_.begin, entry_.end);
    }
    header.entries.push_back(std::move(entry_));
    entry_ = {};
  }

  int depth_ = 0;
  bool is_metadata_ = false, is_in_array_ = false;
  Field field_ = Field::kCount;
  std::array<bool, 3> seen_{};
  std::vector<std::int64_t> numbers_;
  std::string key_;
  SafetensorsEntry entry_;
  std::unordered_set<std::string> names_;
};

void check_layout(const std::vector<SafetensorsEntry>& entries, std::uint64_t data_bytes) {
  std::vector<const SafetensorsEntry*> sorted;
  for (const auto& entry : entries) sorted.push_back(&entry);
  std::sort(sorted.begin(), sorted.end(),
            [](const auto* a, const auto* b) { return std::pair(a->begin, a->end) < std::pair(b->begin, b->end); });
  std::uint64_t end = 0;
  for (const auto* entry : sorted) {
    if (entry->end > data_bytes) {
      fail<IoError>("tensor {} ends at byte {} of {}: the file is cut short", quote(entry->name), entry->end,
                    data_bytes);
    }
    if (entry->begin < end) fail<IoError>("tensor {} overlaps another one", quote(entry->name));
    if (entry->begin > end) fail<IoError>("there is a gap before tensor {}", quote(entry->name));
    end = entry->end;
  }
  if (end != data_bytes) fail<IoError>("{} bytes follow the last tensor", data_bytes - end);
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::string_view text, std::uint64_t data_bytes) {
  if (text.empty() || text.front() != '{') fail<IoError>("its header does not begin with '{{'");
  HeaderReader reader;
  nlohmann::json::sax_parse(text, &reader);
  check_layout(reader.header.entries, data_bytes);
  return std::move(reader.header);
}

std::string_view safetensors_name_of(DType dtype) {
  return std::find_if(kTypeNames.begin(), kTypeNames.end(), [&](const auto& t) { return t.dtype == dtype; })->name;
}

}  // namespace boxcar
