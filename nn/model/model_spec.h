// The description of a network: a model file (YAML) read, checked and worked out,
// so that building the network needs no further arithmetic and cannot fail on the file.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/nn/model/module_specs.h"
#include "boxcar/runtime/base/log.h"

namespace boxcar {

/// One row of the file. Rows are numbered from 0, on from `backbone` into `head`.
struct LayerSpec {
  int index = 0;
  std::vector<int> from;         // layers it reads, as absolute numbers; -1 is the input image
  int repeats = 1;               // n', after scaling
  int copies = 1;                // modules in a sequence: n' where the module takes no repeat count itself, else 1;
                                 // above 1 the state names are model.<index>.<copy>.*
  std::string module;            // as in the file: "Conv", "DWConv", "C2PSA", "nn.Upsample", "Concat", "Detect", ...
  ModuleSpec spec;               // of each copy
  std::vector<int> in_channels;  // one for each entry of from
  int out_channels = 0;          // 0 for the head
  int size_at_256 = 0;           // height and width of the output for an image of 256 x 256; 0 for the head
  std::string text;              // the row as written, for messages
};

struct ModelSpec {
  int nc = 0;
  int channels = 3;                  // of the input image
  std::vector<std::string> names{};  // nc class names; "0", "1", ... until somebody knows better
  std::string scale{};               // the entry of `scales` in use; empty where the file has none
  double depth = 1, width = 1;
  double max_channels = 0;                                 // infinity where the file sets none
  kernels::Act activation{kernels::ActKind::kSilu, 0.0f};  // of every Conv that does not choose its own
  int reg_max = 16;
  bool end2end = false;           // always false: true is refused as not supported yet
  std::vector<LayerSpec> layers;  // the last one is the head
  std::vector<int> save;          // outputs to keep in a pass: every `from` except -1; sorted, duplicates kept
  std::string yaml;               // a normalised file: parse_model_spec(yaml) gives this description again

  const DetectSpec& head() const { return std::get<DetectSpec>(layers.back().spec); }
};

/// What the caller knows better than the file.
struct ModelSpecOptions {
  int nc = 0;                        // classes of the data set; 0: the file's
  int channels = 0;                  // image channels of the data set; 0: the file's, else 3
  std::vector<std::string> names{};  // class names; empty, or exactly nc of them
  std::string scale{};  // entry of `scales`; empty: the file's `scale`, else its first entry, with a warning
  Log log{};            // the warning above, and a line where nc replaces the file's
};

/// The text of a model file that comes with the program, by file name ("yolo11.yaml"); nothing if there is none.
using BuiltinModels = std::function<std::optional<std::string>(std::string name)>;

/// Reads a model file. `file_or_name` ends in .yaml or .yml; it is looked for as a path, then (if it has no folder) in
/// `builtin`; then both again without the scale letter of the file name (yolo11n.yaml -> yolo11.yaml). The scale is
/// options.scale, else the letter in the file name, else as ModelSpecOptions says.
/// Throws ModelError: one sentence with file, line and row, what is wrong and the remedy; IoError for a file that
/// cannot be read or holds more than 1 MiB.
ModelSpec load_model_spec(const std::string& file_or_name, const ModelSpecOptions& options = {},
                          const BuiltinModels& builtin = {});

/// Reads the text of a model file (YAML or JSON of the same structure; at most 1 MiB, no aliases, no tags; nothing in
/// it is ever evaluated). `file` is only named in messages. Throws ModelError as above.
ModelSpec parse_model_spec(const std::string& text, const std::string& file, const ModelSpecOptions& options = {});

// The rules of names and numbers by themselves.

/// The scale letter in the stem of a file name: after "yolo", perhaps "e-", perhaps "v", and digits, one of n s m l x.
/// Empty if there is none. A folder in front is ignored.
std::string scale_from_file_name(const std::string& file);
/// The name with its letter removed: the first of n s m l x that follows a digit, in the file name only (not its
/// folder).
std::string without_scale_letter(const std::string& file);
/// n' = n for n <= 1, else n * depth rounded half to even, at least 1.
int scaled_repeats(int n, double depth);
/// ceil(min(c, max_channels) * width / 8) * 8.
int scaled_channels(int c, double width, double max_channels);
/// Half of the effective kernel d * (k - 1) + 1, which keeps the size at stride 1 for odd kernels.
int auto_padding(int kernel, int dilation);

}  // namespace boxcar
