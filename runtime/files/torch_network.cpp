#include "boxcar/runtime/files/torch_network.h"

#include <array>
#include <functional>
#include <unordered_set>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

using Kind = PickleValue::Kind;

// Modules may be shared, so a file of a few lines can describe a tree without end.
constexpr std::size_t kMostModules = 100'000;
constexpr std::size_t kDeepestModule = 100;

bool is_tensor(const PickleValue& value) { return value.stored_tensor() || value.tensor(); }
bool is_module(const PickleValue& value) {
  return value.kind() == Kind::kRecord && value.attribute("_modules").kind() == Kind::kDict;
}

bool is_tensor_dict(const PickleValue& value) {
  for (const auto& [key, entry] : value.entries()) {
    if (key.text() && is_tensor(entry)) return true;
  }
  return false;
}

// "a dict", "an object ('os.thing')".
std::string described(const PickleValue& value) {
  const std::string kind(value.kind_name());
  return value.class_name().empty() ? kind : kind + " (" + quote(value.class_name()) + ")";
}

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() ? name : prefix + "." + name;
}

const std::string& name_in(const PickleValue& key, const std::string& prefix) {
  if (!key.text()) fail<IoError>("module {} has a member named by {}", quote(prefix), key.kind_name());
  return *key.text();
}

class ModuleWalk {
 public:
  using Visit = std::function<void(const std::string& name, const PickleValue& module)>;
  explicit ModuleWalk(Visit visit) : visit_(std::move(visit)) {}

  void walk(const PickleValue& module, const std::string& name, std::size_t depth = 0) {
    if (++count_ > kMostModules) fail<IoError>("the network has more than {} modules", kMostModules);
    if (depth > kDeepestModule) fail<IoError>("modules are nested more than {} deep", kDeepestModule);
    visit_(name, module);
    const PickleValue children = module.attribute("_modules");
    for (const auto& [key, child] : children.entries()) {
      const std::string child_name = joined(name, name_in(key, name));
      if (child.is_null()) continue;  // a branch that was taken off
      if (child.kind() == Kind::kCycle) fail<IoError>("module {} contains itself", quote(child_name));
      if (child.kind() != Kind::kRecord) {
        fail<IoError>("module {} is {}, not an object", quote(child_name), child.kind_name());
      }
      walk(child, child_name, depth + 1);
    }
  }

 private:
  Visit visit_;
  std::size_t count_ = 0;
};

class StateCollector {
 public:
  // The tensors of a dict of parameters, buffers or of a plain state dict. Null: a bias that is off, and the like.
  void add(const PickleValue& dict, const std::string& prefix, const PickleValue& left_out = {}) {
    for (const auto& [key, entry] : dict.entries()) {
      const std::string& key_name = name_in(key, prefix);
      if (entry.is_null() || contains_text(left_out, key_name)) continue;
      const std::string name = joined(prefix, key_name);
      if (!is_tensor(entry)) fail<IoError>("{} is {}, not a tensor", quote(name), entry.kind_name());
      if (!names_.insert(name).second) fail<IoError>("the tensor name {} occurs twice", quote(name));
      state_.emplace_back(name, entry);
    }
  }
  NamedValues take() { return std::move(state_); }

 private:
  static bool contains_text(const PickleValue& set, const std::string& text) {
    for (const PickleValue& item : set.items()) {
      if (item.text() && *item.text() == text) return true;
    }
    return false;
  }

  NamedValues state_;
  std::unordered_set<std::string> names_;
};

}  // namespace

TorchNetwork TorchNetwork::find(const PickleValue& root) {
  static constexpr std::array<std::string_view, 3> kKeys{"ema", "model", "state_dict"};
  for (const std::string_view key : kKeys) {
    PickleValue value = root.find(key);
    if (is_module(value) || is_tensor_dict(value)) return TorchNetwork(std::move(value));
    if (!value.is_null() && !is_tensor(value)) {
      fail<IoError>("its {} is {} without weights", quote(key), described(value));
    }
  }
  if (is_module(root) || is_tensor_dict(root)) return TorchNetwork(root);
  fail<IoError>("it holds no weights: neither a network nor a dict of tensors");
}

std::string TorchNetwork::class_name() const {
  const std::string_view full = value_.class_name();
  return std::string(full.substr(full.rfind('.') + 1));
}

std::vector<PickleValue> TorchNetwork::layers() const {
  const PickleValue list = attribute("_modules").find("model").attribute("_modules");
  std::vector<PickleValue> layers;
  for (const auto& [key, layer] : list.entries()) layers.push_back(layer);
  return layers;
}

NamedValues TorchNetwork::modules() const {
  NamedValues modules;
  if (!is_object()) return modules;
  ModuleWalk([&](const std::string& name, const PickleValue& module) {
    modules.emplace_back(name, module);
  }).walk(value_, "");
  return modules;
}

NamedValues TorchNetwork::state() const {
  StateCollector collector;
  if (!is_object()) {
    collector.add(value_, "");
    return collector.take();
  }
  for (const auto& [name, module] : modules()) {
    collector.add(module.attribute("_parameters"), name);
    collector.add(module.attribute("_buffers"), name, module.attribute("_non_persistent_buffers_set"));
  }
  return collector.take();
}

}  // namespace boxcar
