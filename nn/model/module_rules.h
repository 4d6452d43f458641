// How the builder turns a row into a module, for each module name. Private to nn/model.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/nn/model/arguments.h"
#include "boxcar/nn/model/model_spec.h"

namespace boxcar::model {

/// Bounds that keep a hostile file from asking for absurd amounts of memory; far above any real model.
inline constexpr int kMaxChannels = 65536, kMaxRepeats = 1000, kMaxRows = 1000, kMaxLevels = 64, kMaxClasses = 100000,
                     kMaxRegMax = 1024, kMaxMapSize = 4096;

/// What a rule knows of its row besides the arguments.
struct Row {
  const ModelSpec& model;        // numbers and activation; its layers are not looked at
  int repeats = 1;               // n'
  std::vector<int> in_channels;  // one for each input
  std::vector<int> in_sizes;     // sides of the inputs for an image of 256 x 256
  bool legacy = true;            // of a head that stands here
  int c1() const { return in_channels.front(); }
};

struct Built {
  ModuleSpec spec;
  int out_channels = 0;
  bool repeats_inside = false;  // the module takes n' itself
};

enum class Inputs { kOne, kList, kAny };

struct ModuleRule {
  std::string_view name;
  Inputs inputs;
  std::vector<std::string> arguments;  // names of the arguments of a row, in order
  std::function<Built(const Row&, const Arguments&)> build;
};

/// The rule for `name`, of boxcar or registered, or null. Rules stay where they are.
const ModuleRule* find_rule(std::string_view name);
bool is_builtin(std::string_view name);
/// Of what register_module() was given: the rule for `name` or null, and all names.
const ModuleRule* find_registered(std::string_view name);
std::vector<std::string> registered_modules();
/// Whether `name` is a module of the reference that is not supported yet.
bool known_but_unsupported(std::string_view name);
/// The supported or known name with the fewest edits to `name`.
std::string nearest_module(std::string_view name);

// The rules, by kind of module.
Built build_conv(const Row& row, const Arguments& args);
Built build_dwconv(const Row& row, const Arguments& args);
Built build_upsample(const Row& row, const Arguments& args);
Built build_max_pool(const Row& row, const Arguments& args);
Built build_identity(const Row& row, const Arguments& args);
Built build_bottleneck(const Row& row, const Arguments& args);
Built build_c2f(const Row& row, const Arguments& args);
Built build_c3(const Row& row, const Arguments& args);
Built build_c3k2(const Row& row, const Arguments& args);
Built build_spp(const Row& row, const Arguments& args);
Built build_sppf(const Row& row, const Arguments& args);
Built build_c2psa(const Row& row, const Arguments& args);
Built build_psa(const Row& row, const Arguments& args);
Built build_concat(const Row& row, const Arguments& args);
Built build_detect(const Row& row, const Arguments& args);

/// Argument i as output channels, after scaling. Throws where it is missing, no whole number, below 1 or absurd.
int output_channels(const Arguments& args, std::size_t i, double width, double max_channels);
/// c2': the same for the first argument.
int output_channels(const Row& row, const Arguments& args);
/// Refuses groups that do not divide the channels of a convolution from `c1` to `c2`.
void check_groups(const Arguments& args, int groups, int c1, int c2);

}  // namespace boxcar::model
