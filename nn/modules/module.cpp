#include "boxcar/nn/modules/module.h"

#include <algorithm>

namespace boxcar::nn {

Module::Module(Module* parent, std::string name) : parent_(parent), name_(std::move(name)) {
  if (parent_) parent_->children_.push_back(this);
}

Module::~Module() {
  if (parent_) parent_->remove_child(*this);
  for (Module* child : children_) child->parent_ = nullptr;
}

void Module::remove_child(Module& child) {
  std::erase(children_, &child);
  child.parent_ = nullptr;
}

Parameter& Module::declare(Parameter parameter) {
  state_.push_back(std::make_unique<Parameter>(std::move(parameter)));
  return *state_.back();
}

Value Module::parameter(std::string name, std::array<int, 4> shape, float init) {
  return Value(declare({.name = std::move(name),
                        .layout = FileLayout::kAsIs,
                        .shape = {shape[0], shape[1], shape[2], shape[3]},
                        .init_value = init}));
}

void Module::visit(const std::string& prefix, const Visit& f) {
  for (const auto& parameter : state_) f(prefix + parameter->name, *parameter);
  for (Module* child : children_) child->visit(prefix + child->name_ + ".", f);
}

void Module::for_each_parameter(const Visit& f) { visit("", f); }

void Module::for_each_module(const std::function<void(const std::string&, Module&)>& f) {
  const std::function<void(const std::string&, Module&)> walk = [&](const std::string& path, Module& module) {
    f(path, module);
    for (Module* child : module.children_) walk(path.empty() ? child->name_ : path + "." + child->name_, *child);
  };
  walk("", *this);
}

void Module::fuse(Stream& stream) {
  for (Module* child : children_) child->fuse(stream);
}

}  // namespace boxcar::nn
