#include "boxcar/nn/model/memory_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "boxcar/nn/model/dry_steps.h"

namespace boxcar {
namespace {

// On its way to the device a batch is there twice as bytes, and once as numbers.
std::size_t batch_bytes(const ModelSpec& spec, const MemoryPlanOptions& options) {
  const auto values = static_cast<std::size_t>(options.batch) * static_cast<std::size_t>(options.imgsz) *
                      static_cast<std::size_t>(options.imgsz) * static_cast<std::size_t>(spec.channels);
  return 2 * values + values * sizeof(float);
}

std::size_t state_bytes(const nn::Optimizer& optimizer) {
  std::size_t bytes = 0;
  for (const nn::OptimState& state : optimizer.states()) bytes += static_cast<std::size_t>(state.count) * sizeof(float);
  return bytes;
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
  DrySteps steps(spec, options.imgsz, options.activations, settings);
  MemoryPool& pool = *steps.stream().pool();
  const std::size_t before = pool.stats().live_bytes;
  pool.release_unused();
  pool.reset_high_water();
  steps.run(options.batch);
  const MemoryStats stats = pool.stats();
  const std::size_t values = steps.arena().values().size_bytes(), grads = steps.arena().grads().size_bytes(),
                    state = state_bytes(steps.optimizer());
  const std::size_t known = 2 * values + grads + state;
  // The step's own pictures lie where a run's batches do.
  const std::size_t pictures = static_cast<std::size_t>(options.batch) * static_cast<std::size_t>(options.imgsz) *
                               static_cast<std::size_t>(options.imgsz) * static_cast<std::size_t>(spec.channels) *
                               size_of(options.activations);
  return {{{"weights and running statistics", values},
           {"their averages", values},
           {"gradients of the weights", grads},
           {fmt::format("state of {}", nn::name_of(options.optimizer)), state},
           {"tables of the optimizer", before - std::min(before, known)},
           {"batches on their way", batch_bytes(spec, options)},
           {"activations and their gradients, at most", stats.high_water_bytes - before - pictures},
           {"room between them", stats.reserved_bytes - std::min(stats.reserved_bytes, stats.high_water_bytes)}}};
}

std::string memory_table(const MemoryPlan& plan, const std::string& model, const MemoryPlanOptions& options) {
  std::string table = fmt::format("{}: a training step of {} images of {} x {} in {}, not computed but counted\n",
                                  model, options.batch, options.imgsz, options.imgsz, name_of(options.activations));
  table += fmt::format("{:<44}{:>12}\n", "part", "MiB");
  for (const MemoryPlan::Part& part : plan.parts) table += row(part.name, part.bytes);
  return table + row("all", plan.total()) +
         "without the program, its libraries and their workspaces: some hundred MiB on a GPU\n";
}

}  // namespace boxcar
