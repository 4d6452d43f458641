#include "boxcar/nn/model/step_traffic.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "boxcar/nn/model/dry_steps.h"
#include "boxcar/runtime/profile/profiler.h"

namespace boxcar {
namespace {

using Rows = std::map<std::string, Profiler::Row>;

/// What a step with so many images costs.
Rows cost(DrySteps& steps, int images) {
  Profiler profiler;
  steps.stream().set_profiler(&profiler);
  steps.run(images);
  steps.stream().set_profiler(nullptr);
  Rows rows;
  for (const Profiler::Row& row : profiler.rows()) rows[row.name] = row;
  return rows;
}

std::string mega(std::int64_t bytes) { return fmt::format("{:.2f}", static_cast<double>(bytes) * 1e-6); }

std::string table_row(const StepTraffic::Op& op) {
  const bool tells = op.bytes_an_image != 0 || op.bytes_a_step != 0;
  return fmt::format("{:<28}{:>7}{:>10}{:>14}{:>14}\n", op.name, op.calls, op.launches,
                     tells ? mega(op.bytes_an_image) : "?", tells ? mega(op.bytes_a_step) : "?");
}

}  // namespace

StepTraffic::Op StepTraffic::total() const {
  Op sum{.name = "all"};
  for (const Op& op : ops) {
    sum.calls += op.calls;
    sum.launches += op.launches;
    sum.bytes_an_image += op.bytes_an_image;
    sum.bytes_a_step += op.bytes_a_step;
  }
  return sum;
}

std::int64_t StepTraffic::fused_bytes_an_image() const {
  return (3 * conv_inputs + 10 * conv_outputs) * static_cast<std::int64_t>(size_of(activations));
}

// Costs are sums of terms that do not depend on the number of images and of terms that are proportional to it.
StepTraffic step_traffic(const ModelSpec& spec, int imgsz, DType activations) {
  DrySteps steps(spec, imgsz, activations);
  const Rows two = cost(steps, 2), three = cost(steps, 3);
  const nn::Cost& forward = steps.forward_cost();
  StepTraffic traffic{{}, forward.conv_inputs / 3, forward.conv_outputs / 3, activations};
  for (const auto& [name, row] : two) {
    const std::int64_t an_image = three.at(name).cost.bytes - row.cost.bytes;
    traffic.ops.push_back({name, row.calls, row.cost.launches, an_image, row.cost.bytes - 2 * an_image});
  }
  std::ranges::stable_sort(traffic.ops, std::greater(), &StepTraffic::Op::bytes_an_image);
  return traffic;
}

std::string traffic_table(const StepTraffic& traffic, int imgsz) {
  std::string table = fmt::format("one training step at {} x {} in {}, not computed but counted\n", imgsz, imgsz,
                                  name_of(traffic.activations));
  table += fmt::format("{:<28}{:>7}{:>10}{:>14}{:>14}\n", "op", "calls", "launches", "MB an image", "MB a step");
  for (const StepTraffic::Op& op : traffic.ops) table += table_row(op);
  const StepTraffic::Op all = traffic.total();
  table += table_row(all);
  const auto bound = static_cast<double>(traffic.fused_bytes_an_image());
  return table + fmt::format("3 I + 10 Z of its convolutions: {:.2f} MB an image; {:.3f} of that is moved\n",
                             bound * 1e-6, static_cast<double>(all.bytes_an_image) / bound);
}

}  // namespace boxcar
