// Checkpoints: everything that an exact resume needs, in one .pt file.
//
// The file holds plain containers, numbers, text and f32 tensors only, so torch.load(weights_only=True)
// reads it too. last.safetensors and best.safetensors beside it hold the averaged weights alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "boxcar/runtime/files/host_tensor.h"
#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

struct Checkpoint {
  int epoch = -1;                  // index of the finished epoch; -1: a finished run's file, weights only
  std::string model_text;          // the network as a model file
  std::vector<std::string> names;  // of the classes
  std::vector<int> strides;
  std::string args_yaml;  // text of args.yaml, with what optimizer=auto chose but for the momentum

  NamedTensors ema;        // averaged weights and running statistics, in order of the state dict
  NamedTensors model;      // raw ones; empty in a finished run's file
  NamedTensors gradients;  // summed since the last step; empty where that was the last batch
  std::vector<std::pair<std::string, NamedTensors>> optimizer;  // state buffers by name

  std::optional<double> momentum;  // that the optimizer was made with: the argument, or what optimizer=auto chose
  std::int64_t steps = 0;          // of the optimizer
  std::int64_t updates = 0;        // of the average
  std::int64_t last_step = -1;     // batch number of the last step
  std::optional<double> best_fitness, fitness;
  double stopper_best = 0;
  int stopper_epoch = 0;
  bool stopper_possible = false;

  /// What decides the bits beside the arguments: threads, and kernels::cpu_instruction_set() or the GPU ("cuda:0").
  int threads = 0;
  std::string instruction_set;

  /// Hands the tensors over: a second copy of a large model's state is memory that nothing else of a run needs.
  PickleValue to_pickle() &&;
  /// Throws IoError naming `path` where something is missing or of another kind.
  static Checkpoint from_pickle(const PickleValue& root, const std::filesystem::path& path);

  /// Atomically. Throws IoError.
  void write(const std::filesystem::path& path) &&;
  /// Reads a checkpoint that boxcar wrote. Throws IoError, also for files of other programs.
  static Checkpoint read(const std::filesystem::path& path);
  /// Whether a .pt file's top level was written by boxcar.
  static bool is_ours(const PickleValue& root);
};

}  // namespace boxcar
