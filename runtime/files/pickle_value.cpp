#include "boxcar/runtime/files/pickle_value.h"

#include <algorithm>
#include <array>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

PickleValue::Node::~Node() {
  // A child that nobody else holds hands its own children over before it goes, so no destructor nests.
  std::vector<PickleValue> doomed;
  const auto collect = [&](PickleValue& child) {
    if (child.node()) doomed.push_back(std::move(child));
    child = nullptr;
  };
  for_each_child(collect);
  while (!doomed.empty()) {
    PickleValue value = std::move(doomed.back());
    doomed.pop_back();
    if (std::get<NodePtr>(value.data_).use_count() == 1) value.for_each_child(collect);
  }
}

template <class T>
PickleValue PickleValue::make(Kind kind, T payload) {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->payload = std::move(payload);
  return PickleValue(std::move(node));
}

PickleValue::PickleValue(std::string text) : PickleValue(make(Kind::kText, std::move(text))) {}
PickleValue PickleValue::bytes(std::string content) { return make(Kind::kBytes, std::move(content)); }
PickleValue PickleValue::list(Items items) { return make(Kind::kList, std::move(items)); }
PickleValue PickleValue::tuple(Items items) { return make(Kind::kTuple, std::move(items)); }
PickleValue PickleValue::set(Items items) { return make(Kind::kSet, std::move(items)); }
PickleValue PickleValue::dict(Entries entries) { return make(Kind::kDict, std::move(entries)); }
PickleValue PickleValue::tensor(HostTensor tensor) {
  return make(Kind::kTensor, std::make_unique<HostTensor>(std::move(tensor)));
}
PickleValue PickleValue::dict_of(NamedTensors tensors) {
  Entries entries;
  entries.reserve(tensors.size());
  for (auto& [name, held] : tensors) entries.emplace_back(std::move(name), tensor(std::move(held)));
  return dict(std::move(entries));
}
PickleValue PickleValue::stored_tensor(StoredTensor tensor) {
  return make(Kind::kStoredTensor, std::make_unique<StoredTensor>(std::move(tensor)));
}
PickleValue PickleValue::global(std::string name) { return make(Kind::kGlobal, std::move(name)); }
PickleValue PickleValue::record(std::string class_name, PickleValue arguments) {
  return make(Kind::kRecord, Object{std::move(class_name), std::make_unique<PickleValue>(std::move(arguments))});
}
PickleValue PickleValue::cycle() { return make(Kind::kCycle, std::string()); }

PickleValue::Node* PickleValue::node() const {
  const auto* held = std::get_if<NodePtr>(&data_);
  return held ? held->get() : nullptr;
}

PickleValue::Kind PickleValue::kind() const {
  static constexpr std::array kPlain{Kind::kNull, Kind::kBool, Kind::kInt, Kind::kFloat};
  const Node* own = node();
  return own ? own->kind : data_.index() < kPlain.size() ? kPlain[data_.index()] : Kind::kNull;
}

std::string_view PickleValue::kind_name() const {
  static constexpr std::array<std::string_view, 15> kNames{
      "null",  "a truth value", "an integer", "a float",         "a text",  "bytes",     "a list", "a tuple",
      "a set", "a dict",        "a tensor",   "a stored tensor", "a class", "an object", "a cycle"};
  return kNames.at(static_cast<std::size_t>(kind()));
}

std::optional<bool> PickleValue::boolean() const {
  const auto* value = std::get_if<bool>(&data_);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<std::int64_t> PickleValue::integer() const {
  const auto* value = std::get_if<std::int64_t>(&data_);
  return value ? std::optional(*value) : std::nullopt;
}

std::optional<double> PickleValue::number() const {
  if (const auto value = integer()) return static_cast<double>(*value);
  const auto* value = std::get_if<double>(&data_);
  return value ? std::optional(*value) : std::nullopt;
}

const std::string* PickleValue::text() const {
  return kind() == Kind::kText ? std::get_if<std::string>(&node()->payload) : nullptr;
}

const std::string* PickleValue::byte_string() const {
  return kind() == Kind::kBytes ? std::get_if<std::string>(&node()->payload) : nullptr;
}

std::span<const PickleValue> PickleValue::items() const {
  const auto* held = node() ? std::get_if<Items>(&node()->payload) : nullptr;
  return held ? std::span<const PickleValue>(*held) : std::span<const PickleValue>();
}

std::span<const std::pair<PickleValue, PickleValue>> PickleValue::entries() const {
  const auto* held = node() ? std::get_if<Entries>(&node()->payload) : nullptr;
  if (!held) return {};
  return *held;
}

const PickleValue* PickleValue::find_text(std::string_view key) const {
  const auto all = entries();
  const auto found = std::find_if(all.rbegin(), all.rend(), [&](const auto& entry) {
    const std::string* text = entry.first.text();
    return text && *text == key;
  });
  return found == all.rend() ? nullptr : &found->second;
}

PickleValue PickleValue::find(std::string_view key) const {
  const PickleValue* found = find_text(key);
  return found ? *found : PickleValue();
}

PickleValue PickleValue::find(std::int64_t key) const {
  const auto all = entries();
  const auto found = std::find_if(all.rbegin(), all.rend(), [&](const auto& e) { return e.first.integer() == key; });
  return found == all.rend() ? PickleValue() : found->second;
}

const HostTensor* PickleValue::tensor() const {
  return kind() == Kind::kTensor ? std::get<std::unique_ptr<HostTensor>>(node()->payload).get() : nullptr;
}

const StoredTensor* PickleValue::stored_tensor() const {
  return kind() == Kind::kStoredTensor ? std::get<std::unique_ptr<StoredTensor>>(node()->payload).get() : nullptr;
}

std::string_view PickleValue::class_name() const {
  if (kind() == Kind::kGlobal) return std::get<std::string>(node()->payload);
  if (kind() == Kind::kRecord) return std::get<Object>(node()->payload).class_name;
  return {};
}

PickleValue PickleValue::arguments() const {
  return kind() == Kind::kRecord ? *std::get<Object>(node()->payload).arguments : PickleValue();
}

PickleValue PickleValue::state() const { return node() ? node()->state : PickleValue(); }

PickleValue PickleValue::attribute(std::string_view name) const {
  const PickleValue held = state();
  if (const PickleValue* found = held.find_text(name)) return *found;
  // Objects with __slots__ have a pair of dicts.
  for (const PickleValue& part : held.items()) {
    if (const PickleValue* found = part.find_text(name)) return *found;
  }
  return {};
}

void PickleValue::push_back(PickleValue item) {
  if (kind() != Kind::kList && kind() != Kind::kSet) refuse_change("takes no items");
  std::get<Items>(node()->payload).push_back(std::move(item));
}

void PickleValue::set(std::string_view key, PickleValue value) {
  if (const PickleValue* found = find_text(key)) {
    *const_cast<PickleValue*>(found) = std::move(value);  // the node is not const, only this view of it
  } else {
    append_entry(key, std::move(value));
  }
}

void PickleValue::append_entry(PickleValue key, PickleValue value) {
  if (kind() != Kind::kDict) refuse_change("takes no keys");
  std::get<Entries>(node()->payload).emplace_back(std::move(key), std::move(value));
}

void PickleValue::set_state(PickleValue state) {
  const bool may = kind() == Kind::kRecord || kind() == Kind::kDict || kind() == Kind::kStoredTensor;
  if (!may) refuse_change("takes no state");
  node()->state = std::move(state);
}

const void* PickleValue::identity() const { return node(); }

void PickleValue::clear() {
  for_each_child([](PickleValue& child) { child = nullptr; });
}

void PickleValue::refuse_integer() { fail<ArgumentError>("an integer above 2^63 - 1 does not fit a file's value"); }

void PickleValue::refuse_change(const char* action) const { fail<ArgumentError>("{} {}", kind_name(), action); }

}  // namespace boxcar
