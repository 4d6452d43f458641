// Modules of a program's own in model files.
//
//   // Weighs channels by what the whole picture holds (Hu et al., "Squeeze-and-excitation networks", 2018).
//   struct Gate : nn::Layer {
//     nn::Conv squeeze, excite;
//     Gate(nn::Module* parent, std::string name, const ModuleRow& row)
//         : Layer(parent, std::move(name)),
//           squeeze(this, "squeeze", row.in_channels()[0], row.integer(0, 8, 1, 1024)),
//           excite(this, "excite", row.integer(0, 8, 1, 1024), row.in_channels()[0]) {}
//     nn::Value forward(nn::Context& c, std::span<const nn::Value> x, std::span<const nn::Place>) override {
//       return x[0] * sigmoid(excite.forward(c, silu(squeeze.forward(c, mean(x[0], {1, 2})))));
//     }
//   };
//   register_module<Gate>("Gate", {"hidden"});     // from now on:   - [-1, 1, Gate, [16]]
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/nn/modules/module.h"

namespace boxcar {

/// The row of a model file that a module is built from: what it reads, and its arguments by position (from 0). A cheap
/// handle; copies share the row. Every complaint is a ModelError that names file, line and row.
class ModuleRow {
 public:
  /// Channels of each layer that the row reads, in the order of `from`.
  const std::vector<int>& in_channels() const;
  /// Sides of their square maps for an image of 256 x 256.
  const std::vector<int>& in_sizes() const;
  /// The model's activation.
  kernels::Act activation() const;

  /// How many arguments the row gives; those behind them have the value `otherwise` below.
  std::size_t arguments() const;
  /// Output channels as every module reads them: scaled by the model's width and rounded up to a multiple of 8. The
  /// argument must be there.
  int channels(std::size_t argument) const;
  /// A whole number from `low` to `high`.
  int integer(std::size_t argument, int otherwise, int low, int high) const;
  /// A number from `low` to `high`.
  double number(std::size_t argument, double otherwise, double low, double high) const;
  /// true, false, 1 or 0.
  bool truth(std::size_t argument, bool otherwise) const;
  std::string text(std::size_t argument, const std::string& otherwise) const;

  /// Throws ModelError: "FILE:LINE: row 3 [-1, 1, Gate, [16]]: Gate <sentence>".
  [[noreturn]] void refuse(const std::string& sentence) const;

  struct State;  // private to nn/model
  explicit ModuleRow(std::shared_ptr<const State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<const State> state_;
};

/// What a module makes of its inputs.
struct ModuleOutput {
  int channels = 0;
  int size = 0;  // side of its square map for an image of 256 x 256
};

/// A class that rows of a model file can be built from. Its constructor hands parent and name on to nn::Layer, declares
/// its parts as members and reads the row; it is also called when a file is read, to hear its complaints early. Its
/// forward() gets the maps that the row reads and returns one map; `places` may be ignored, or handed on to the
/// built-in layer that makes the result, which saves a copy.
template <class M>
concept RowModule =
    std::derived_from<M, nn::Layer> && std::constructible_from<M, nn::Module*, std::string, const ModuleRow&>;

namespace model {

struct RegisteredModule {
  std::vector<std::string> arguments;
  std::function<std::unique_ptr<nn::Layer>(nn::Module* parent, std::string name, const ModuleRow& row)> make;
  std::function<ModuleOutput(const ModuleRow& row)> output;
};
void add_registered(std::string yaml_name, RegisteredModule module);

}  // namespace model

/// Makes M a module of model files, for the rest of the program, under a name of letters, digits, _ and dots.
/// `arguments` names the arguments that its rows may have, in order; a row with more is refused. A row reads one layer
/// or a list of them. With repeats above 1 it stands for a sequence of Ms, if M keeps the number of channels.
///
/// M says what comes out by `static ModuleOutput output(const ModuleRow& row)`; without it, as many channels and as
/// large a map as those of its first input. A network whose M gives something else is refused with a ModelError at its
/// first forward pass.
///
/// The program must register its modules before it reads a model file, or weights, that name them. Any thread. Throws
/// ArgumentError for a name that is taken, by a module of boxcar or a registered one, or that is no name.
template <RowModule M>
void register_module(std::string yaml_name, std::vector<std::string> arguments = {}) {
  model::RegisteredModule module{
      std::move(arguments),
      [](nn::Module* parent, std::string name, const ModuleRow& row) -> std::unique_ptr<nn::Layer> {
        return std::make_unique<M>(parent, std::move(name), row);
      },
      [](const ModuleRow& row) {
        return ModuleOutput{row.in_channels().front(), row.in_sizes().front()};
      }};
  if constexpr (requires { &M::output; }) module.output = &M::output;
  model::add_registered(std::move(yaml_name), std::move(module));
}

}  // namespace boxcar
