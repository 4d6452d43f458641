// How much memory a training run takes, before it is begun: the figures of `boxcar plan`.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "boxcar/nn/model/dry_steps.h"
#include "boxcar/nn/model/model_spec.h"
#include "boxcar/nn/optim/optimizer_type.h"
#include "boxcar/runtime/base/dtype.h"

namespace boxcar {

struct MemoryPlan {
  struct Part {
    std::string name;
    std::size_t bytes = 0;
  };
  std::vector<Part> parts;
  std::size_t total() const;
};

struct MemoryPlanOptions {
  int imgsz = 640;  // a multiple of 32
  int batch = 16;   // at least 1
  DType activations = DType::kBF16;
  nn::OptimizerType optimizer = nn::OptimizerType::kSgd;  // not kAuto
  std::size_t kept_image_bytes = 0;                       // of the data set's images that stay on the device
};

/// Runs a step without computing it and watches the memory pool: what there is before the step by its kind, what the
/// step takes on top at its fullest moment, and what the pool needs beyond for blocks that do not fit together. Not in
/// it: the program and the libraries themselves, and what these choose to take for single convolutions.
MemoryPlan memory_plan(const ModelSpec& spec, const MemoryPlanOptions& options);
/// The same of steps there are, which may be asked for several batches.
MemoryPlan memory_plan(DrySteps& steps, int batch);

/// The largest number of images up to `most` of which bytes_of() is at most `bytes`; 0 if one is too many. bytes_of()
/// grows with the images nearly on a straight line, so that few calls are enough.
int largest_batch(const std::function<std::size_t(int)>& bytes_of, std::size_t bytes, int most);

/// A line for each part and one for all: name, MiB.
std::string memory_rows(const MemoryPlan& plan);
/// The table that `boxcar plan` prints.
std::string memory_table(const MemoryPlan& plan, const std::string& model, const MemoryPlanOptions& options);

}  // namespace boxcar
