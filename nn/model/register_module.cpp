#include "boxcar/nn/model/register_module.h"

#include <fmt/core.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "boxcar/nn/model/module_rules.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {

struct ModuleRow::State {
  model::Arguments args;
  std::vector<int> in_channels, in_sizes;
  kernels::Act activation;
  double width, max_channels;
};

const std::vector<int>& ModuleRow::in_channels() const { return state_->in_channels; }
const std::vector<int>& ModuleRow::in_sizes() const { return state_->in_sizes; }
kernels::Act ModuleRow::activation() const { return state_->activation; }
std::size_t ModuleRow::arguments() const { return state_->args.size(); }

int ModuleRow::channels(std::size_t argument) const {
  return model::output_channels(state_->args, argument, state_->width, state_->max_channels);
}
int ModuleRow::integer(std::size_t argument, int otherwise, int low, int high) const {
  return state_->args.integer(argument, otherwise, low, high);
}
double ModuleRow::number(std::size_t argument, double otherwise, double low, double high) const {
  return state_->args.number(argument, otherwise, low, high);
}
bool ModuleRow::truth(std::size_t argument, bool otherwise) const { return state_->args.truth(argument, otherwise); }
std::string ModuleRow::text(std::size_t argument, const std::string& otherwise) const {
  return state_->args.text(argument, otherwise);
}
void ModuleRow::refuse(const std::string& sentence) const { state_->args.refuse(sentence); }

namespace model {
namespace {

// The one global that changes: model files name modules, and files are read in many places (a trainer, the facade, a
// checkpoint's own description) whose callers would otherwise all have to hand a list of modules down. It only grows,
// so a rule once found stays valid without the lock.
struct Registry {
  std::shared_mutex mutex;
  std::map<std::string, ModuleRule, std::less<>> rules;
};

Registry& registry() {
  static Registry instance;
  return instance;
}

// A constructor that forgets its parent would leave the module's parameters out of the network's state.
std::unique_ptr<nn::Layer> make_checked(const RegisteredModule& module, const std::string& yaml_name,
                                        nn::Module* parent, const std::string& name, const ModuleRow& row) {
  std::unique_ptr<nn::Layer> layer = module.make(parent, name, row);
  const auto& siblings = parent->children();
  if (layer->name() != name || std::find(siblings.begin(), siblings.end(), layer.get()) == siblings.end()) {
    fail<ModelError>("the constructor of the module {} must hand its parent and name on to nn::Layer", yaml_name);
  }
  return layer;
}

Built build_registered(const RegisteredModule& module, const std::string& name, const Row& row, const Arguments& args) {
  const ModuleRow own(std::make_shared<const ModuleRow::State>(ModuleRow::State{
      args, row.in_channels, row.in_sizes, row.model.activation, row.model.width, row.model.max_channels}));
  const ModuleOutput output = module.output(own);
  if (output.channels < 1 || output.channels > kMaxChannels || output.size < 1 || output.size > kMaxMapSize) {
    args.refuse(
        fmt::format("says that it gives {0} channels and a map of {1} x {1}; 1 to {2} channels and sides of 1 to {3} "
                    "are possible",
                    output.channels, output.size, kMaxChannels, kMaxMapSize));
  }
  RegisteredSpec spec{.size_in = row.in_sizes.front(), .size_out = output.size};
  spec.make = [module, name, own](nn::Module* parent, const std::string& layer) {
    return make_checked(module, name, parent, layer, own);
  };
  nn::Module unused;
  spec.make(&unused, "0");
  return {std::move(spec), output.channels};
}

bool is_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  const auto inner = [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '.'; };
  return !name.empty() && name.size() <= 60 && letter(name[0]) && std::all_of(name.begin(), name.end(), inner);
}

}  // namespace

void add_registered(std::string name, RegisteredModule module) {
  if (!is_name(name)) {
    fail<ArgumentError>(
        "register_module: '{}' is no name for a module; use 1 to 60 letters, digits, _ and dots, a letter first",
        shown(name));
  }
  if (is_builtin(name)) fail<ArgumentError>("register_module: {} is a module of boxcar; choose another name", name);
  ModuleRule rule{.name = {}, .inputs = Inputs::kAny, .arguments = module.arguments, .build = {}};
  rule.build = [module = std::move(module), name](const Row& row, const Arguments& args) {
    return build_registered(module, name, row, args);
  };
  const std::unique_lock lock(registry().mutex);
  const auto [place, added] = registry().rules.try_emplace(std::move(name), std::move(rule));
  if (!added) fail<ArgumentError>("register_module: {} is registered already; choose another name", place->first);
  place->second.name = place->first;
}

const ModuleRule* find_registered(std::string_view name) {
  const std::shared_lock lock(registry().mutex);
  const auto found = registry().rules.find(name);
  return found == registry().rules.end() ? nullptr : &found->second;
}

std::vector<std::string> registered_modules() {
  const std::shared_lock lock(registry().mutex);
  std::vector<std::string> names;
  for (const auto& [name, rule] : registry().rules) names.push_back(name);
  return names;
}

}  // namespace model
}  // namespace boxcar
