// The plans of the vendor's libraries for each dense convolution of a network at 640 pixels: which there are, which are
// refused and why, how fast they are and how far their results are from those of our own kernels.
//   gpu_plans FOLDER NETWORK f32|bf16 [quick]
// Writes FOLDER/plans_NETWORK_TYPE.tsv, a line a convolution, and FOLDER/offers_NETWORK_TYPE.txt, a line a plan.
// `quick` is for emulation, where there are no plans: a small picture, our own kernels alone. Exit status 1 if a plan
// failed or computes something else.
#include <fmt/format.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <optional>
#include <set>

#include "boxcar/kernels/conv/conv_cuda.h"
#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/embedded.h"
#include "measure.h"
#include "table.h"

namespace boxcar::bench {
namespace {

using kernels::ConvOffer;
using kernels::ConvPass;
using kernels::ConvProblem;

constexpr int kImages = 4;  // results are compared on the host: more take too long

// An engine without plans: with it a stream takes note of its problems where there is no library.
class Listener final : public kernels::ConvEngine {
 public:
  std::string library() const override { return "none"; }
  std::vector<ConvOffer> offers(const ConvProblem&, const kernels::ConvWishes&) override { return {}; }
  std::shared_ptr<kernels::ConvPlan> restore(const ConvProblem&, std::string_view) override { return nullptr; }
};

// The convolutions of a step with one picture.
std::vector<ConvProblem> problems_of(const std::string& network, int side, DType activations) {
  Stream stream(Device::cuda());
  kernels::conv_plans(stream).add_engine(std::make_unique<Listener>());
  const ModelSpec spec = load_model_spec(network, {}, [](std::string name) -> std::optional<std::string> {
    const std::string file = "models/" + name;
    if (!has_embedded_file(file)) return std::nullopt;
    return std::string(embedded_file(file));
  });
  DetectionModel model(spec);
  model.prepare(stream);
  nn::ParamArena arena(model, stream, 0);
  const std::unique_ptr<Criterion> criterion = model.init_criterion();
  criterion->attach(model);
  const Batch batch{Tensor::zeros(stream, {1, side, side, 3}, activations),
                    Tensor::from(stream, {1, 1, 1, 6}, {0, 0, 0.5f, 0.5f, 0.5f, 0.5f})};
  nn::Context context(stream, nn::Pass::kTrain, activations);
  const Outputs outputs = model.forward(context, nn::Value(context, batch.images));
  const Loss loss = (*criterion)(context, outputs, batch);
  loss.total.add_grad(stream, Tensor::from(stream, {}, {1.0f}), nn::Own::kExclusive);
  context.backward();
  stream.synchronize();
  return kernels::conv_plans(stream).problems();
}

// A problem's tensors, and the kernel that computes it without a library.
class Work {
 public:
  Work(Stream& stream, const ConvProblem& p) : stream_(stream), p_(p) {
    const Shape weights = kernels::conv_weight_shape(p.x.c, p.y.c, p.options);
    const auto made = [&](Shape shape, ConvPass written_by) {
      return p.pass == written_by ? Tensor::zeros(stream, shape, p.result) : random_tensor(stream, shape, p.type);
    };
    x_ = made(p.x, ConvPass::kBackwardInput);
    w_ = made(weights, ConvPass::kBackwardWeight);
    y_ = made(p.y, ConvPass::kForward);
    if (p.bias) bias_ = random_tensor(stream, {1, 1, 1, p.y.c});
  }

  void own() {
    using namespace kernels;
    if (p_.pass == ConvPass::kForward) {
      cuda::own_conv_forward(stream_, {x_, w_, bias_.as(), y_, p_.options});
    } else if (p_.pass == ConvPass::kBackwardInput) {
      cuda::own_conv_backward_input(stream_, {y_, w_, x_, p_.options});
    } else {
      cuda::own_conv_backward_weight(stream_, {x_, y_, w_, nullptr, p_.options});
    }
  }
  void plan(kernels::ConvPlan& plan) {
    const std::size_t bytes = plan.workspace_bytes();
    const std::shared_ptr<void> workspace = bytes > 0 ? MemoryPool::allocate(stream_.pool(), bytes) : nullptr;
    plan.run(stream_, {x_.view().data, w_.view().data, y_.view().data, bias_.as()}, workspace.get());
  }
  std::vector<float> result() {
    const Tensor& written = p_.pass == ConvPass::kForward ? y_ : p_.pass == ConvPass::kBackwardInput ? x_ : w_;
    std::vector<float> values = written.to_host(stream_);
    stream_.fill(written.view().data, 0xff, static_cast<std::size_t>(written.count()) * size_of(written.dtype()));
    return values;
  }

 private:
  Stream& stream_;
  const ConvProblem& p_;
  Tensor x_, w_, y_, bias_;
};

// The largest difference, in parts of the largest value; infinite where one is not a number.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, value = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(static_cast<double>(a[i]) - b[i]);
    if (!(d <= largest)) largest = std::isfinite(d) ? d : std::numeric_limits<double>::infinity();
    value = std::max(value, static_cast<double>(std::abs(b[i])));
  }
  return value > 0 ? largest / value : largest;
}

// A result in bf16 is rounded to 8 bits, twice differently at most. Sums in f32 have up to 10^6 products of either
// sign.
double most_difference(const ConvProblem& problem) { return problem.result == DType::kBF16 ? 0x1p-7 : 1e-4; }

// What is known of a problem, for its line of the table.
struct Findings {
  double own_us = 0, best_us = 0, worst_difference = 0;
  std::string best, refused, failure;
  int plans = 0;
};

void try_offer(Stream& stream, Work& work, const ConvProblem& problem, const std::vector<float>& wanted,
               const ConvOffer& offer, Findings& found, std::ofstream& list) {
  if (!offer.plan) {
    if (found.refused.find(offer.refusal) == std::string::npos) {
      found.refused += (found.refused.empty() ? "" : "; ") + offer.refusal;
    }
    list << fmt::format("  {}: refused, {}\n", offer.name, offer.refusal);
    return;
  }
  ++found.plans;
  try {
    work.plan(*offer.plan);
    const double off = difference(work.result(), wanted);
    const double us = 1e3 * kernels::ConvPlans::milliseconds(stream, [&] { work.plan(*offer.plan); });
    found.worst_difference = std::max(found.worst_difference, off);
    if (off > most_difference(problem)) found.failure = fmt::format("{}: off by {:.2g}", offer.name, off);
    if (found.best.empty() || us < found.best_us) {
      found.best = offer.name;
      found.best_us = us;
    }
    list << fmt::format("  {}: {:.1f} us, {} KiB, off by {:.2g}\n", offer.name, us, offer.plan->workspace_bytes() >> 10,
                        off);
  } catch (const Error& error) {
    found.failure = fmt::format("{}: {}", offer.name, error.what());
    list << "  " << found.failure << "\n";
  }
}

Findings examine(Stream& stream, const ConvProblem& problem, bool quick, std::ofstream& list) {
  constexpr int kPlans = 6;
  Findings found;
  Work work(stream, problem);
  work.own();
  const std::vector<float> wanted = work.result();
  found.own_us = quick ? time_calls(stream, {[&](Stream&) { work.own(); }}, Settings::quick()).median
                       : 1e3 * kernels::ConvPlans::milliseconds(stream, [&] { work.own(); });
  list << fmt::format("{}\n  own: {:.1f} us\n", problem.text(), found.own_us);
  for (const auto& engine : kernels::conv_plans(stream).engines()) {
    for (const ConvOffer& offer : engine->offers(problem, {kPlans, true})) {
      try_offer(stream, work, problem, wanted, offer, found, list);
    }
  }
  list.flush();
  return found;
}

int run(const std::filesystem::path& folder, const std::string& network, DType dtype, bool quick) {
  const std::string name = fmt::format("{}_{}", network, name_of(dtype));
  Table table(folder / fmt::format("plans_{}.tsv", name), {"convolution", "own us", "plan us", "fastest plan", "plans",
                                                           "largest difference", "refused for", "failure"});
  std::ofstream list(folder / fmt::format("offers_{}.txt", name));
  int failed = 0, with_plans = 0;
  std::set<std::string> seen;
  Stream stream(Device::cuda());
  for (ConvProblem problem : problems_of(network + ".yaml", quick ? 64 : 640, dtype)) {
    problem.statistics = false;  // a pass of its own, not the plan's
    problem.x.n = problem.y.n = quick ? 1 : kImages;
    if (!seen.insert(problem.text()).second) continue;
    const Findings f = examine(stream, problem, quick, list);
    table.row({problem.text(), fmt::format("{:.1f}", f.own_us), f.plans ? fmt::format("{:.1f}", f.best_us) : "", f.best,
               std::to_string(f.plans), f.plans ? fmt::format("{:.2g}", f.worst_difference) : "", f.refused,
               f.failure});
    with_plans += f.plans > 0;
    failed += !f.failure.empty();
    stream.pool()->release_unused();
  }
  fmt::print("{} convolutions, {} with plans, {} failed\n", seen.size(), with_plans, failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace boxcar::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  const bool quick = words.size() == 4 && words[3] == "quick";
  if ((words.size() != 3 && !quick) || (words[2] != "f32" && words[2] != "bf16")) {
    fmt::print(stderr, "usage: gpu_plans FOLDER NETWORK f32|bf16 [quick]\n");
    return 2;
  }
  try {
    const boxcar::DType dtype = words[2] == "f32" ? boxcar::DType::kF32 : boxcar::DType::kBF16;
    return boxcar::bench::run(words[0], words[1], dtype, quick);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_plans: {}\n", error.what());
    return 1;
  }
}
