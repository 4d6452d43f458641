#include "boxcar/nn/model/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "boxcar/nn/model/dry_steps.h"

namespace boxcar {
namespace {

std::size_t picture_values(const DrySteps& steps, int batch) {
  const auto side = static_cast<std::size_t>(steps.setup().imgsz);
  return static_cast<std::size_t>(batch) * side * side * static_cast<std::size_t>(steps.setup().channels);
}

std::size_t state_bytes(const nn::Optimizer& optimizer) {
  std::size_t bytes = 0;
  for (const nn::OptimState& state : optimizer.states()) bytes += static_cast<std::size_t>(state.count) * sizeof(float);
  return bytes;
}

struct Tried {
  int images;
  std::size_t bytes;
};

// Where the straight line between the two reaches `bytes`, strictly between them.
int between(const Tried& low, const Tried& high, std::size_t bytes) {
  const double slope = static_cast<double>(high.bytes - low.bytes) / (high.images - low.images);
  const double images = low.images + static_cast<double>(bytes - low.bytes) / slope;
  return std::clamp(static_cast<int>(images), low.images + 1, high.images - 1);
}

std::string row(const std::string& name, std::size_t bytes) {
  return fmt::format("{:<44}{:>12.1f}\n", name, static_cast<double>(bytes) / (1 << 20));
}

}  // namespace

std::size_t MemoryPlan::total() const {
  std::size_t sum = 0;
  for (const Part& part : parts) sum += part.bytes;
  return sum;
}

MemoryPlan memory_plan(const ModelSpec& spec, const MemoryPlanOptions& options) {
  nn::OptimizerSettings settings;
  settings.type = options.optimizer;
  DrySteps steps(std::make_unique<DetectionModel>(spec), {.channels = spec.channels,
                                                          .imgsz = options.imgsz,
                                                          .activations = options.activations,
                                                          .optimizer = settings,
                                                          .kept_image_bytes = options.kept_image_bytes});
  return memory_plan(steps, options.batch);
}

MemoryPlan memory_plan(DrySteps& steps, int batch) {
  const MemoryStats kept = steps.stream().pool()->stats();
  const std::size_t before = kept.live_bytes;
  // From a pool of its own: what other batches left behind would show in how well the blocks fit together.
  const auto fresh = std::make_shared<MemoryPool>(steps.stream().device(), true);
  const auto usual = steps.stream().exchange_pool(fresh);
  try {
    steps.run(batch);
  } catch (...) {
    steps.stream().exchange_pool(usual);
    throw;
  }
  steps.stream().exchange_pool(usual);
  const MemoryStats stats = fresh->stats();
  const std::size_t values = steps.arena().values().size_bytes(), grads = steps.arena().grads().size_bytes(),
                    state = state_bytes(steps.optimizer()), rounded = steps.rounded_bytes();
  const std::size_t known = 2 * values + grads + state;
  // The step's own pictures lie where a run's batches do. On its way to the device a batch is there twice as bytes, and
  // once as numbers.
  const std::size_t pictures = picture_values(steps, batch);
  return {{{"weights and running statistics", values},
           {"their averages", values},
           {"gradients of the weights", grads},
           {"the weights rounded to bf16, in a step", rounded},
           {fmt::format("state of {}", nn::name_of(steps.setup().optimizer.type)), state},
           {"tables of the optimizer", before - std::min(before, known)},
           {"images of the data set that stay", steps.setup().kept_image_bytes},
           {"batches on their way", pictures * (2 + sizeof(float))},
           {"activations and their gradients, at most",
            stats.high_water_bytes - rounded - pictures * size_of(steps.setup().activations)},
           {"room between them", stats.reserved_bytes - std::min(stats.reserved_bytes, stats.high_water_bytes)}}};
}

int largest_batch(const std::function<std::size_t(int)>& bytes_of, std::size_t bytes, int most) {
  constexpr int kGrowth = 4, kLineTries = 4;
  Tried low{0, 0}, high{1, 0};
  for (;; high.images = std::min(most, high.images * kGrowth)) {
    high.bytes = bytes_of(high.images);
    if (high.bytes > bytes) break;
    low = high;
    if (low.images >= most) return most;
  }
  if (low.images == 0) return 0;
  for (int tries = 0; high.images - low.images > 1; ++tries) {
    const int images = tries < kLineTries ? between(low, high, bytes) : low.images + (high.images - low.images) / 2;
    const Tried tried{images, bytes_of(images)};
    (tried.bytes <= bytes ? low : high) = tried;
  }
  return low.images;
}

std::string memory_rows(const MemoryPlan& plan) {
  std::string rows;
  for (const MemoryPlan::Part& part : plan.parts) rows += row(part.name, part.bytes);
  return rows + row("all", plan.total());
}

std::string memory_table(const MemoryPlan& plan, const std::string& model, const MemoryPlanOptions& options) {
  std::string table = fmt::format("{}: a training step of {} images of {} x {} in {}, not computed but counted\n",
                                  model, options.batch, options.imgsz, options.imgsz, name_of(options.activations));
  table += fmt::format("{:<44}{:>12}\n", "part", "MiB");
  return table + memory_rows(plan) +
         "without the program, its libraries and their workspaces: some hundred MiB on a GPU\n";
}

}  // namespace boxcar
