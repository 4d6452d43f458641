#include "boxcar/runtime/files/pickle_writer.h"

#include <bit>
#include <cstring>
#include <unordered_map>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/tensor_extent.h"
#include "boxcar/runtime/files/torch_storage_types.h"

namespace boxcar {
namespace {

using Kind = PickleValue::Kind;

constexpr std::size_t kDeepestValue = 100;
constexpr std::size_t kMostValues = 2'000'000;
constexpr char kProto = '\x80', kMark = '(', kStop = '.', kNone = 'N', kTrue = '\x88', kFalse = '\x89';
constexpr char kBinInt1 = 'K', kBinInt2 = 'M', kBinInt = 'J', kLong1 = '\x8a', kBinFloat = 'G', kBinUnicode = 'X';
constexpr char kEmptyList = ']', kAppends = 'e', kEmptyDict = '}', kSetItems = 'u', kEmptyTuple = ')', kTuple = 't';
constexpr char kGlobal = 'c', kReduce = 'R', kPersistent = 'Q';
constexpr char kBinPut = 'q', kLongBinPut = 'r', kBinGet = 'h', kLongBinGet = 'j';

class Pickler {
 public:
  PickledTree write(const PickleValue& root) {
    out_ += kProto;
    out_ += '\2';
    add(root, "the value", 0);
    out_ += kStop;
    return {std::move(out_), std::move(storages_)};
  }

 private:
  template <class T>
  void put(T value) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_.append(bytes, sizeof(T));
  }

  void add(const PickleValue& value, const std::string& where, std::size_t depth) {
    if (depth > kDeepestValue) fail<ArgumentError>("{} is nested too deeply or contains itself", quote(where));
    if (++values_ > kMostValues) fail<ArgumentError>("a .pt file cannot hold more than {} values", kMostValues);
    switch (value.kind()) {
      case Kind::kNull:
        out_ += kNone;
        return;
      case Kind::kBool:
        out_ += *value.boolean() ? kTrue : kFalse;
        return;
      case Kind::kInt:
        add_integer(*value.integer());
        return;
      case Kind::kFloat:
        add_float(*value.number());
        return;
      case Kind::kText:
        add_text(*value.text(), where);
        return;
      case Kind::kList:
        add_list(value, where, depth);
        return;
      case Kind::kTuple:
        add_tuple(value, where, depth);
        return;
      case Kind::kDict:
        add_dict(value, where, depth);
        return;
      case Kind::kTensor:
        add_tensor(*value.tensor(), where);
        return;
      default:
        fail<ArgumentError>("{} is {}, which a .pt file of plain data cannot hold", quote(where), value.kind_name());
    }
  }

  void add_integer(std::int64_t value) {
    if (value >= 0 && value <= 0xff) {
      out_ += kBinInt1;
      put(static_cast<std::uint8_t>(value));
    } else if (value >= 0 && value <= 0xffff) {
      out_ += kBinInt2;
      put(static_cast<std::uint16_t>(value));
    } else if (std::in_range<std::int32_t>(value)) {
      out_ += kBinInt;
      put(static_cast<std::int32_t>(value));
    } else {
      out_ += kLong1;
      put(std::uint8_t{sizeof(value)});
      put(value);
    }
  }

  void add_float(double value) {
    out_ += kBinFloat;
    put(__builtin_bswap64(std::bit_cast<std::uint64_t>(value)));
  }

  // A text that occurred before is fetched from the memo: by its content, so that sharing among the values that are
  // written does not change the bytes.
  void add_text(const std::string& text, const std::string& where) {
    if (!is_utf8(text)) fail<ArgumentError>("{} holds a text that is not UTF-8", quote(where));
    if (text.size() > UINT32_MAX) fail<ArgumentError>("{} is a text of more than 4 GiB", quote(where));
    if (fetch('X' + text)) return;
    out_ += kBinUnicode;
    put(static_cast<std::uint32_t>(text.size()));
    out_ += text;
    remember('X' + text);
  }

  void add_global(const std::string& module, const std::string& name) {
    const std::string mention = kGlobal + module + "\n" + name + "\n";
    if (fetch(mention)) return;
    out_ += mention;
    remember(mention);
  }

  bool fetch(const std::string& content) {
    const auto found = memo_.find(content);
    if (found == memo_.end()) return false;
    put_index(kBinGet, kLongBinGet, found->second);
    return true;
  }
  void remember(const std::string& content) {
    const auto index = static_cast<std::uint32_t>(memo_.size());
    memo_.emplace(content, index);
    put_index(kBinPut, kLongBinPut, index);
  }
  void put_index(char short_op, char long_op, std::uint32_t index) {
    out_ += index <= 0xff ? short_op : long_op;
    if (index <= 0xff) {
      put(static_cast<std::uint8_t>(index));
    } else {
      put(index);
    }
  }

  void add_list(const PickleValue& list, const std::string& where, std::size_t depth) {
    out_ += kEmptyList;
    if (list.items().empty()) return;
    out_ += kMark;
    for (const PickleValue& item : list.items()) add(item, where + "[]", depth + 1);
    out_ += kAppends;
  }

  void add_tuple(const PickleValue& tuple, const std::string& where, std::size_t depth) {
    if (tuple.items().empty()) {
      out_ += kEmptyTuple;
      return;
    }
    out_ += kMark;
    for (const PickleValue& item : tuple.items()) add(item, where + "[]", depth + 1);
    out_ += kTuple;
  }

  void add_dict(const PickleValue& dict, const std::string& where, std::size_t depth) {
    out_ += kEmptyDict;
    if (dict.entries().empty()) return;
    out_ += kMark;
    for (const auto& [key, value] : dict.entries()) {
      check_key(key, where);
      add(key, where, depth + 1);
      add(value, key.text() ? where + "." + *key.text() : where + "[]", depth + 1);
    }
    out_ += kSetItems;
  }

  // Python could not put the others into a dict.
  static void check_key(const PickleValue& key, const std::string& where) {
    const Kind kind = key.kind();
    if (kind == Kind::kTuple) {
      for (const PickleValue& part : key.items()) check_key(part, where);
    } else if (kind == Kind::kList || kind == Kind::kDict || kind == Kind::kTensor) {
      fail<ArgumentError>("{} has {} as a key", quote(where), key.kind_name());
    }
  }

  // _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks), the storage being
  // ("storage", class, key, location, elements) by persistent id.
  void add_tensor(const HostTensor& tensor, const std::string& where) {
    const std::int64_t count = count_of(tensor, where);
    add_global("torch._utils", "_rebuild_tensor_v2");
    out_ += kMark;
    out_ += kMark;
    add_text("storage", where);
    add_global("torch", std::string(storage_class_of(tensor.dtype)));
    add_text(std::to_string(storages_.size()), where);
    add_text("cpu", where);
    add_integer(count);
    out_ += kTuple;
    out_ += kPersistent;
    storages_.push_back(&tensor);
    add_integer(0);
    add_integers(tensor.shape);
    add_integers(strides_of(tensor.shape));
    out_ += kFalse;
    add_global("collections", "OrderedDict");
    out_ += kEmptyTuple;
    out_ += kReduce;
    out_ += kTuple;
    out_ += kReduce;
  }

  static std::int64_t count_of(const HostTensor& tensor, const std::string& where) {
    bool is_sound = tensor.shape.size() <= kLargestRank;
    for (const std::int64_t side : tensor.shape) is_sound = is_sound && side >= 0;
    const auto count = is_sound ? checked_count(tensor.shape) : std::nullopt;
    const auto bytes = count ? checked_product(*count, static_cast<std::int64_t>(size_of(tensor.dtype))) : count;
    if (!bytes || static_cast<std::uint64_t>(*bytes) != tensor.bytes.size()) {
      fail<ArgumentError>("{} is a tensor whose {} bytes do not fit its shape", quote(where), tensor.bytes.size());
    }
    return *count;
  }

  // Row-major; PyTorch counts sides of 0 as 1 here.
  static std::vector<std::int64_t> strides_of(const std::vector<std::int64_t>& shape) {
    std::vector<std::int64_t> strides(shape.size());
    std::int64_t step = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      strides[i] = step;
      step *= std::max<std::int64_t>(shape[i], 1);
    }
    return strides;
  }

  void add_integers(const std::vector<std::int64_t>& values) {
    if (!values.empty()) out_ += kMark;
    for (const std::int64_t value : values) add_integer(value);
    out_ += values.empty() ? kEmptyTuple : kTuple;
  }

  std::string out_;
  std::vector<const HostTensor*> storages_;
  std::unordered_map<std::string, std::uint32_t> memo_;
  std::size_t values_ = 0;
};

}  // namespace

PickledTree write_pickle(const PickleValue& root) { return Pickler().write(root); }

}  // namespace boxcar
