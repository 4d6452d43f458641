// Validation of a model on a data set, outside a training run.
#pragma once

#include <filesystem>

#include "boxcar/trainers/engine/base_predictor.h"
#include "boxcar/trainers/engine/base_validator.h"

namespace boxcar {

struct StandaloneResult {
  Metrics metrics;
  std::filesystem::path save_dir;
};

/// Runs `validator` over args.split of args.data. Pictures and files go to a run folder of mode val. `args` are those
/// of mode val, rect as it shall be. Throws ArgumentError, DataError, IoError.
StandaloneResult validate_model(BaseValidator& validator, LoadedModel& model, Args args, const Options& options);

}  // namespace boxcar
