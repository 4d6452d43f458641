// The base of everything with parameters.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "boxcar/nn/autograd/parameter.h"
#include "boxcar/nn/autograd/value.h"

namespace boxcar::nn {

/// Children are members built with (this, "name"); names joined with dots are those of the
/// state dict. Parameters get memory when a ParamArena takes the module.
class Module {
 public:
  explicit Module(Module* parent = nullptr, std::string name = {});
  virtual ~Module();
  Module(const Module&) = delete;  // children and registry hold its address
  Module& operator=(const Module&) = delete;

  const std::string& name() const { return name_; }
  const std::vector<Module*>& children() const { return children_; }

  /// A parameter of the module's own, for forward passes built from ops. `shape` is [n,h,w,c].
  Value parameter(std::string name, std::array<int, 4> shape, float init);

  /// Calls f(full name, parameter) for the whole tree in the order of the state dict: own entries
  /// in order of declaration, then the children's.
  using Visit = std::function<void(const std::string&, Parameter&)>;
  void for_each_parameter(const Visit& f);
  /// Calls f(full name, module) for the module and all below it, parents first.
  void for_each_module(const std::function<void(const std::string&, Module&)>& f);

  /// Takes a child's parameters out of the state (a layer list that turned out unused).
  void remove_child(Module& child);
  /// Folds batch norms into convolutions where that is possible, for inference. Values must be there, on the stream's
  /// device.
  virtual void fuse(Stream& stream);

 protected:
  Parameter& declare(Parameter parameter);
  void undeclare_all() { state_.clear(); }

 private:
  void visit(const std::string& prefix, const Visit& f);

  Module* parent_ = nullptr;
  std::string name_;
  std::vector<Module*> children_;
  std::vector<std::unique_ptr<Parameter>> state_;
};

/// A module that a model YAML can name: one or more inputs, one result.
class Layer : public Module {
 public:
  using Module::Module;
  virtual Value forward(Context& context, std::span<const Value> inputs, std::span<const Place> places) = 0;
  /// Whether forward() takes, in place of one input that is their concat, two maps of so many channels, one of which
  /// may be smaller by a whole factor and is to be enlarged (nearest neighbour). It is only asked to where
  /// kernels::runs_enlarged_conv().
  virtual bool takes_parts(std::span<const int> /*channels*/) const { return false; }
};

}  // namespace boxcar::nn
