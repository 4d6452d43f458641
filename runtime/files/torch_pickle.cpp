#include "boxcar/runtime/files/torch_pickle.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_map>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"
#include "boxcar/runtime/files/tensor_extent.h"

namespace boxcar {
namespace {

using Items = PickleValue::Items;
using Kind = PickleValue::Kind;

constexpr std::string_view kStorageClass = "torch.storage";

[[noreturn]] void fail_arguments(std::string_view what) {
  fail<IoError>("the pickle builds {} from unfit values", what);
}

std::vector<std::int64_t> integers_of(const PickleValue& value, std::string_view what) {
  if (value.kind() != Kind::kTuple && value.kind() != Kind::kList) fail_arguments(what);
  if (value.items().size() > kLargestRank)
    fail<IoError>("the pickle has a tensor of {} dimensions", value.items().size());
  std::vector<std::int64_t> out;
  for (const PickleValue& item : value.items()) {
    const auto integer = item.integer();
    if (!integer) fail_arguments(what);
    out.push_back(*integer);
  }
  return out;
}

// (storage, offset, size, stride, requires_grad, hooks[, metadata]); the last three do not change the elements.
PickleValue rebuild_tensor(const PickleValue& arguments) {
  const auto given = arguments.items();
  if (given.size() < 4 || given[0].class_name() != kStorageClass) fail_arguments("a tensor");
  const PickleValue described = given[0].arguments();
  const auto storage = described.items();
  const auto offset = given[1].integer();
  // A file may spell such a record itself, so its parts are checked here and not where one is made.
  const bool is_storage = storage.size() == 3 && storage[0].text() && storage[1].text() && storage[2].integer();
  if (!offset || !is_storage) fail_arguments("a tensor");
  StoredTensor tensor{*storage[0].text(),
                      *storage[1].text(),
                      *storage[2].integer(),
                      *offset,
                      integers_of(given[2], "a tensor's size"),
                      integers_of(given[3], "a tensor's stride")};
  if (tensor.shape.size() != tensor.strides.size()) fail_arguments("a tensor (as many sizes as strides)");
  return PickleValue::stored_tensor(std::move(tensor));
}

// A parameter is its tensor: (tensor, requires_grad, hooks).
PickleValue rebuild_parameter(const PickleValue& arguments) {
  const auto given = arguments.items();
  if (given.empty() || !given[0].stored_tensor()) fail_arguments("a parameter");
  return given[0];
}

PickleValue make_dict(const PickleValue& arguments) {
  PickleValue dict = PickleValue::dict();
  if (arguments.items().empty()) return dict;
  const PickleValue& source = arguments.items()[0];
  for (const PickleValue& pair : source.items()) {
    if (pair.items().size() != 2) fail_arguments("a dict");
    dict.append_entry(pair.items()[0], pair.items()[1]);
  }
  for (const auto& [key, value] : source.entries()) dict.append_entry(key, value);
  return dict;
}

PickleValue make_default_dict(const PickleValue&) { return PickleValue::dict(); }

Items items_of_first(const PickleValue& arguments) {
  if (arguments.items().empty()) return {};
  const auto items = arguments.items()[0].items();
  return {items.begin(), items.end()};
}
PickleValue make_set(const PickleValue& arguments) { return PickleValue::set(items_of_first(arguments)); }
PickleValue make_tuple(const PickleValue& arguments) { return PickleValue::tuple(items_of_first(arguments)); }
PickleValue make_list(const PickleValue& arguments) { return PickleValue::list(items_of_first(arguments)); }

PickleValue make_path(const PickleValue& arguments) {
  std::string path;
  for (const PickleValue& part : arguments.items()) {
    if (!part.text()) fail_arguments("a path");
    const bool needs_slash = !path.empty() && path.back() != '/' && path.back() != '\\';
    path.append(needs_slash ? "/" : "").append(*part.text());
  }
  return path;
}

PickleValue make_device(const PickleValue& arguments) {
  const auto given = arguments.items();
  if (given.empty() || !given[0].text()) fail_arguments("a device");
  std::string name = *given[0].text();
  if (given.size() > 1 && given[1].integer()) name.append(":").append(std::to_string(*given[1].integer()));
  return name;
}

// How protocol 2 spells bytes: _codecs.encode(text, "latin1"), the text holding U+0000..U+00FF as UTF-8.
PickleValue make_bytes(const PickleValue& arguments) {
  const auto given = arguments.items();
  if (given.empty() || !given[0].text()) fail_arguments("bytes");
  std::string out;
  const std::string& text = *given[0].text();
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto lead = static_cast<unsigned char>(text[i]);
    if (lead < 0x80u) {
      out += text[i];
    } else if ((lead == 0xc2u || lead == 0xc3u) && i + 1 < text.size()) {
      out += static_cast<char>((lead << 6) | (static_cast<unsigned char>(text[++i]) & 0x3fu));
    } else {
      fail_arguments("bytes");
    }
  }
  return PickleValue::bytes(std::move(out));
}

template <class T>
PickleValue scalar_of(const std::string& bytes) {
  T value{};
  if (bytes.size() != sizeof(T)) fail_arguments("a NumPy number");
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}
PickleValue half_of(const std::string& bytes) {
  return double{half_to_float(static_cast<std::uint16_t>(*scalar_of<std::uint16_t>(bytes).integer()))};
}
PickleValue float_of(const std::string& bytes) {
  float value = 0;
  if (bytes.size() != sizeof(value)) fail_arguments("a NumPy number");
  std::memcpy(&value, bytes.data(), sizeof(value));
  return double{value};
}
PickleValue bool_of(const std::string& bytes) { return *scalar_of<std::uint8_t>(bytes).integer() != 0; }

// numpy.core.multiarray.scalar(dtype, bytes). The dtype's state is (version, byte order, ...).
PickleValue make_numpy_scalar(const PickleValue& arguments) {
  using Convert = PickleValue (*)(const std::string&);
  static const std::unordered_map<std::string_view, Convert> kTypes{{"f8", scalar_of<double>},
                                                                    {"f4", float_of},
                                                                    {"f2", half_of},
                                                                    {"i8", scalar_of<std::int64_t>},
                                                                    {"i4", scalar_of<std::int32_t>},
                                                                    {"i2", scalar_of<std::int16_t>},
                                                                    {"i1", scalar_of<std::int8_t>},
                                                                    {"u8", scalar_of<std::uint64_t>},
                                                                    {"u4", scalar_of<std::uint32_t>},
                                                                    {"u2", scalar_of<std::uint16_t>},
                                                                    {"u1", scalar_of<std::uint8_t>},
                                                                    {"b1", bool_of}};
  const auto given = arguments.items();
  if (given.size() != 2 || given[0].class_name() != "numpy.dtype" || !given[1].byte_string()) {
    fail_arguments("a NumPy number");
  }
  const PickleValue made_from = given[0].arguments(), state = given[0].state();
  const auto names = made_from.items(), parts = state.items();
  const std::string* type = names.empty() ? nullptr : names[0].text();
  const auto found = type ? kTypes.find(*type) : kTypes.end();
  if (found == kTypes.end()) fail_arguments("a NumPy number");
  std::string bytes = *given[1].byte_string();
  const bool is_big_endian = parts.size() > 1 && parts[1].text() && *parts[1].text() == ">";
  if (is_big_endian) std::reverse(bytes.begin(), bytes.end());
  return found->second(bytes);
}

using Handler = PickleValue (*)(const PickleValue&);

const std::unordered_map<std::string_view, Handler>& handlers() {
  static const std::unordered_map<std::string_view, Handler> kHandlers{
      {"torch._utils._rebuild_tensor_v2", rebuild_tensor},
      {"torch._utils._rebuild_parameter", rebuild_parameter},
      {"torch._utils._rebuild_parameter_with_state", rebuild_parameter},
      {"torch.Size", make_tuple},
      {"torch.device", make_device},
      {"collections.OrderedDict", make_dict},
      {"collections.Counter", make_dict},
      {"collections.defaultdict", make_default_dict},
      {"builtins.dict", make_dict},
      {"builtins.list", make_list},
      {"builtins.tuple", make_tuple},
      {"builtins.set", make_set},
      {"builtins.frozenset", make_set},
      {"_codecs.encode", make_bytes},
      {"numpy.core.multiarray.scalar", make_numpy_scalar},
      {"numpy._core.multiarray.scalar", make_numpy_scalar},
  };
  return kHandlers;
}

bool is_path(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kClasses{".PosixPath",     ".WindowsPath",     ".Path",
                                                            ".PurePosixPath", ".PureWindowsPath", ".PurePath"};
  return name.starts_with("pathlib.") &&
         std::any_of(kClasses.begin(), kClasses.end(), [&](std::string_view end) { return name.ends_with(end); });
}

// Objects that files hold and that no reader of weights needs: kept as a name and what it was made from.
bool is_inert(std::string_view name) {
  static constexpr std::array<std::string_view, 3> kModules{"torch.nn.", "ultralytics.", "models."};
  static constexpr std::array<std::string_view, 14> kNames{"builtins.getattr",
                                                           "builtins.slice",
                                                           "numpy.dtype",
                                                           "numpy.ndarray",
                                                           "numpy.core.multiarray._reconstruct",
                                                           "numpy._core.multiarray._reconstruct",
                                                           "datetime.datetime",
                                                           "datetime.date",
                                                           "datetime.timedelta",
                                                           "argparse.Namespace",
                                                           "types.SimpleNamespace",
                                                           "functools.partial",
                                                           "copyreg._reconstructor",
                                                           "copy_reg._reconstructor"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end() ||
         std::any_of(kModules.begin(), kModules.end(),
                     [&](std::string_view prefix) { return name.starts_with(prefix); });
}

}  // namespace

PickleValue TorchMeaning::call(const std::string& function, const PickleValue& arguments) {
  if (const auto found = handlers().find(function); found != handlers().end()) return found->second(arguments);
  if (is_path(function)) return make_path(arguments);
  if (is_inert(function)) return PickleValue::record(function, arguments);
  fail<IoError>("it asks to call {}, which is not data and was not run", quote(function));
}

// ("storage", storage type, key, location, element count). Where the storage lay when it was saved does not matter.
PickleValue TorchMeaning::outside(const PickleValue& id) {
  const auto parts = id.items();
  const bool fits = parts.size() == 5 && parts[0].text() && *parts[0].text() == "storage" &&
                    parts[1].kind() == Kind::kGlobal && parts[2].text() && parts[4].integer();
  if (!fits) fail<IoError>("the pickle refers to something outside it that is not a storage");
  const std::string_view type = parts[1].class_name();
  const std::size_t module_end = type.starts_with("torch.") ? std::string_view("torch.").size() : 0;
  return PickleValue::record(std::string(kStorageClass),
                             PickleValue::tuple({type.substr(module_end), parts[2], parts[4]}));
}

}  // namespace boxcar
