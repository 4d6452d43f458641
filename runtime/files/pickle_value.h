// What a pickle holds, as plain data: nothing here can be called.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "boxcar/runtime/files/host_tensor.h"

namespace boxcar {

/// A view into a storage record of a .pt file, as the file claims it: TorchFile checks it before use.
struct StoredTensor {
  std::string storage_type;           // "FloatStorage", "HalfStorage", ...
  std::string key;                    // of the storage record
  std::int64_t storage_elements = 0;  // in the whole storage
  std::int64_t offset = 0;            // in elements
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> strides;  // in elements; 0 repeats
};

/// One value of a tree: small, cheap to copy. As in Python, copies of a list or dict share it: an item added through
/// one is seen through all. Accessors never throw: of a value of another kind they give nothing.
class PickleValue {
 public:
  enum class Kind : std::uint8_t {
    kNull,
    kBool,
    kInt,
    kFloat,
    kText,
    kBytes,
    kList,
    kTuple,
    kSet,
    kDict,
    kTensor,        // elements in memory
    kStoredTensor,  // a claim about a file
    kGlobal,        // the name of a class or function that was mentioned
    kRecord,        // an object: class name, arguments, state
    kCycle          // stands where a value would contain itself
  };
  using Items = std::vector<PickleValue>;
  using Entries = std::vector<std::pair<PickleValue, PickleValue>>;

  PickleValue() = default;
  PickleValue(std::nullptr_t) {}
  /// A template, so that no pointer turns into a truth value.
  template <std::same_as<bool> T>
  PickleValue(T value) : data_(value) {}
  PickleValue(double value) : data_(value) {}
  /// Throws ArgumentError above 2^63 - 1.
  template <std::integral T>
  requires(!std::same_as<T, bool>) PickleValue(T value) : data_(to_int64(value)) {}
  PickleValue(const char* text) : PickleValue(std::string(text)) {}
  PickleValue(std::string_view text) : PickleValue(std::string(text)) {}
  PickleValue(std::string text);

  static PickleValue bytes(std::string content);
  static PickleValue list(Items items = {});
  static PickleValue tuple(Items items = {});
  static PickleValue set(Items items = {});
  /// An ordered dictionary. Of keys that occur twice the last one counts.
  static PickleValue dict(Entries entries = {});
  static PickleValue tensor(HostTensor tensor);
  /// A dict of tensors, in their order.
  static PickleValue dict_of(NamedTensors tensors);
  static PickleValue stored_tensor(StoredTensor tensor);
  static PickleValue global(std::string name);
  static PickleValue record(std::string class_name, PickleValue arguments);
  static PickleValue cycle();

  Kind kind() const;
  bool is_null() const { return kind() == Kind::kNull; }
  /// "an integer", "a list", ... for messages.
  std::string_view kind_name() const;

  std::optional<bool> boolean() const;
  std::optional<std::int64_t> integer() const;  // not of a bool
  std::optional<double> number() const;         // of an integer or float
  const std::string* text() const;
  const std::string* byte_string() const;
  /// Of a list, tuple or set.
  std::span<const PickleValue> items() const;
  /// Of a dict.
  std::span<const std::pair<PickleValue, PickleValue>> entries() const;
  /// The value of a text or integer key of a dict; null where there is none.
  PickleValue find(std::string_view key) const;
  PickleValue find(std::int64_t key) const;
  bool contains(std::string_view key) const { return find_text(key) != nullptr; }
  const HostTensor* tensor() const;
  const StoredTensor* stored_tensor() const;
  /// "module.name" of a global or of a record's class; empty otherwise.
  std::string_view class_name() const;
  /// What a record was made from, usually a tuple.
  PickleValue arguments() const;
  /// The attributes of a record (or of a dict or tensor that has some), usually a dict.
  PickleValue state() const;
  /// An attribute by name; null where there is none.
  PickleValue attribute(std::string_view name) const;

  /// Adds to a list or set. Throws ArgumentError for another kind.
  void push_back(PickleValue item);
  /// Adds to a dict, or replaces. Throws ArgumentError for another kind. Searches all keys.
  void set(std::string_view key, PickleValue value);
  /// Adds to a dict without a look at its keys.
  void append_entry(PickleValue key, PickleValue value);
  /// Throws ArgumentError for values that cannot have attributes.
  void set_state(PickleValue state);

  /// Calls visit(PickleValue&) for every direct child that may be replaced in place.
  template <class F>
  void for_each_child(F&& visit);
  /// Equal for copies of one container; null for numbers and null.
  const void* identity() const;
  /// Removes all children: ends cycles among values that are given up.
  void clear();

 private:
  struct Object {
    std::string class_name;
    std::unique_ptr<PickleValue> arguments;
  };
  struct Node;
  using NodePtr = std::shared_ptr<Node>;

  template <std::integral T>
  static std::int64_t to_int64(T value) {
    if (!std::in_range<std::int64_t>(value)) refuse_integer();
    return static_cast<std::int64_t>(value);
  }
  [[noreturn]] static void refuse_integer();
  [[noreturn]] void refuse_change(const char* action) const;
  explicit PickleValue(NodePtr node) : data_(std::move(node)) {}
  template <class T>
  static PickleValue make(Kind kind, T payload);
  Node* node() const;
  const PickleValue* find_text(std::string_view key) const;

  std::variant<std::monostate, bool, std::int64_t, double, NodePtr> data_;
};

struct PickleValue::Node {
  Kind kind = Kind::kNull;
  PickleValue state;
  std::variant<std::string, Items, Entries, Object, std::unique_ptr<HostTensor>, std::unique_ptr<StoredTensor>> payload;

  Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;
  /// Frees a tree of any depth without recursion.
  ~Node();

  template <class F>
  void for_each_child(F&& visit);
};

template <class F>
void PickleValue::Node::for_each_child(F&& visit) {
  visit(state);
  if (auto* items = std::get_if<Items>(&payload)) {
    for (PickleValue& item : *items) visit(item);
  } else if (auto* entries = std::get_if<Entries>(&payload)) {
    for (auto& [key, value] : *entries) {
      visit(key);
      visit(value);
    }
  } else if (auto* object = std::get_if<Object>(&payload)) {
    visit(*object->arguments);
  }
}

template <class F>
void PickleValue::for_each_child(F&& visit) {
  if (Node* const own = node()) own->for_each_child(visit);
}

}  // namespace boxcar
