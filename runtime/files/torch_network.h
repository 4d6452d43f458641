// A network as PyTorch's pickles hold it: modules inside modules, each with parameters and buffers.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

/// Values by dotted name, e.g. "model.0.conv.weight".
using NamedValues = std::vector<std::pair<std::string, PickleValue>>;

/// Reads the part of a checkpoint that holds weights: an object with its modules, or a plain dict of tensors.
/// Errors are IoErrors about the content, without the file's name.
class TorchNetwork {
 public:
  /// Of a checkpoint's top level: its `ema` if that is not null, else `model`, else `state_dict`, else the value
  /// itself. Throws IoError where none of them holds tensors.
  static TorchNetwork find(const PickleValue& root);
  explicit TorchNetwork(PickleValue value) : value_(std::move(value)) {}

  const PickleValue& value() const { return value_; }
  /// False for a plain dict of tensors, which has no attributes, modules or layers.
  bool is_object() const { return value_.kind() == PickleValue::Kind::kRecord; }
  /// Class without its module, e.g. "DetectionModel"; empty for a dict.
  std::string class_name() const;
  /// yaml, names, nc, stride, task, args, save, ... of the network object; null where there is none.
  PickleValue attribute(std::string_view name) const { return value_.attribute(name); }
  /// The entries of the child `model`, the network's layer list, in order; the last one is the head.
  std::vector<PickleValue> layers() const;
  /// Every module with its dotted name, the network itself first ("").
  NamedValues modules() const;
  /// The names and tensors of the state dict, in its order: depth first, a module's parameters, then its persistent
  /// buffers, then its children. Tensors are stored or in memory, as in the tree. Throws IoError for a name that
  /// occurs twice, a module within itself, or an entry that is not a tensor.
  NamedValues state() const;

 private:
  PickleValue value_;
};

}  // namespace boxcar
