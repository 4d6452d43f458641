#include "boxcar/nn/optim/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/nn/optim/ema.h"
#include "boxcar/nn/optim/loss_scaler.h"
#include "boxcar/runtime/base/error.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

namespace boxcar::nn {
namespace {

using Tensors = std::map<std::string, test::GoldenTensor>;

constexpr std::int64_t kPadding = 32;  // floats: parameters start at multiples of 128 bytes

/// The parameters of the golden file laid out as an arena holds them: convolutions OHWI, depthwise 1,kh,kw,C.
struct Arena {
  explicit Arena(const Tensors& t, const std::string& prefix) {
    for (const auto& [key, tensor] : t) {
      // Integer buffers (num_batches_tracked) are not averaged and are no part of an arena of floats.
      if (!key.starts_with(prefix) || tensor.dtype != DType::kF32) continue;
      const std::string name = key.substr(prefix.size());
      OptimParam p{name, tensor.shape,
                   name.find(".bn.") != std::string::npos || name.find("cv3.0.1.") != std::string::npos};
      p.depthwise = tensor.shape.size() == 4 && tensor.shape[1] == 1;
      p.offset = count;
      p.count = static_cast<std::int64_t>(tensor.floats().size());
      count += (p.count + kPadding - 1) / kPadding * kPadding;
      params.push_back(p);
    }
  }
  static std::vector<float> moved(const OptimParam& p, const std::vector<float>& v, bool to_arena) {
    if (p.dims.size() != 4) return v;
    const int o = int(p.dims[0]), i = int(p.dims[1]), h = int(p.dims[2]), w = int(p.dims[3]);
    if (p.depthwise) return to_arena ? test::to_nhwc(v, 1, o, h, w) : test::to_nchw(v, 1, h, w, o);
    return to_arena ? test::to_nhwc(v, o, i, h, w) : test::to_nchw(v, o, h, w, i);
  }
  std::vector<float> load(const Tensors& t, const std::string& prefix) const {
    std::vector<float> flat(static_cast<std::size_t>(count), 0.0f);
    for (const OptimParam& p : params) {
      const auto v = moved(p, t.at(prefix + p.name).floats(), true);
      std::copy(v.begin(), v.end(), flat.begin() + p.offset);
    }
    return flat;
  }
  std::vector<float> get(const std::vector<float>& flat, const OptimParam& p) const {
    return moved(p, {flat.begin() + p.offset, flat.begin() + p.offset + p.count}, false);
  }
  std::vector<OptimParam> params;
  std::int64_t count = 0;
};

void check_groups(const Optimizer& optimizer, const nlohmann::json& c) {
  ASSERT_EQ(optimizer.groups().size(), c["groups"].size());
  for (std::size_t g = 0; g < c["groups"].size(); ++g) {
    const auto& want = c["groups"][g];
    const ParamGroup& group = optimizer.groups()[g];
    EXPECT_EQ(name_of(group.kind), want["param_group"].get<std::string>());
    EXPECT_NEAR(group.initial_lr, want["lr"].get<double>(), 1e-15);
    EXPECT_EQ(group.weight_decay, want["weight_decay"].get<double>());
    std::set<std::string> names;
    for (std::size_t i = 0; i < optimizer.params().size(); ++i) {
      if (optimizer.group_of(i) == int(g)) names.insert(optimizer.params()[i].name);
    }
    EXPECT_EQ(names, want["params"].get<std::set<std::string>>()) << g;
  }
}

Tensor flat(Stream& stream, const std::vector<float>& values) {
  return test::tensor_of(stream, {1, 1, 1, static_cast<int>(values.size())}, values);
}

void check_case(Stream& stream, const Tensors& t, const nlohmann::json& c) {
  const std::string name = c["optimizer"].get<std::string>() + c["variant"].get<std::string>();
  SCOPED_TRACE(name);
  const bool clipped = c["variant"] == "_clipped";
  const Arena arena(t, "param0/");
  Optimizer optimizer(
      stream, {parse_optimizer(c["optimizer"].get<std::string>()), c["lr"], c["momentum"], c["decay"], "model.3."},
      arena.params, arena.count);
  check_groups(optimizer, c);
  const Tensor values = flat(stream, arena.load(t, "param0/"));
  // MuSGD as the reference runs it has Newton-Schulz in bf16; ours is the exact one.
  const double tolerance = name == "MuSGD" ? 5e-4 : 1e-6;
  for (int step = 1; step <= 6; ++step) {
    const Tensor grads = flat(stream, arena.load(t, "grad" + std::to_string(step - 1) + "/"));
    StepBuffers buffers{values.as(), grads.as()};
    optimizer.begin_step(stream, {.max_norm = clipped ? 10.0 : 0.0});
    if (clipped) {
      buffers.norm = optimizer.measure(stream, grads.as());
      const double want = c["groups"][0]["grad_norm_before_clip"][step - 1];
      EXPECT_NEAR(optimizer.read_norm(stream).norm, want, 1e-6 * want);
    }
    optimizer.step(stream, buffers);
    const std::string prefix = name + "/step" + std::to_string(step) + "/";
    if (!t.count(prefix + arena.params[0].name)) continue;
    const auto stepped = values.to_host(stream);
    for (const OptimParam& p : arena.params) {
      const double error = test::max_difference(arena.get(stepped, p), t.at(prefix + p.name).floats());
      EXPECT_TRUE(error <= tolerance) << prefix << p.name << ": " << error;
    }
  }
}

class GoldenOptimizer : public test::BackendTest {};

TEST_P(GoldenOptimizer, EveryCase) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/loss/optim.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/optim.json"));
  for (const auto& c : json["cases"]) check_case(stream(), t, c);
}

INSTANTIATE_ON_BACKENDS(GoldenOptimizer);

TEST(GoldenEma, Trace) {
  BOXCAR_NEED_SHARED();
  const auto t = test::read_golden(test::shared("golden/loss/optim.safetensors"));
  const auto json = test::read_json(test::shared("golden/loss/optim.json"))["ema"];
  const Arena arena(t, "ema/model1/");
  EmaDecay decay;
  Stream stream;
  Optimizer optimizer(stream, {OptimizerType::kSgd, 0.1, 0.9, 0.0, ""}, {}, 0, arena.count);
  // The average starts as a copy of the model: the start of the optimizer cases, with fresh batch norms.
  std::vector<float> average(static_cast<std::size_t>(arena.count), 0.0f);
  for (const OptimParam& p : arena.params) {
    const bool variance = p.name.ends_with("running_var"), known = t.count("param0/" + p.name) != 0;
    const auto start = known ? Arena::moved(p, t.at("param0/" + p.name).floats(), true)
                             : std::vector<float>(static_cast<std::size_t>(p.count), variance ? 1.0f : 0.0f);
    std::copy(start.begin(), start.end(), average.begin() + p.offset);
  }
  for (int n = 1; n <= 6; ++n) {
    EXPECT_NEAR(EmaDecay::at(n), json["decay_at_update_1_to_6"][n - 1].get<double>(), 1e-12);
    auto model = arena.load(t, "ema/model" + std::to_string(n) + "/");
    optimizer.begin_step(stream, {.average_weight = float(decay.next_weight())});
    optimizer.step(stream, {.values = model.data(), .averages = average.data()});
    for (const OptimParam& p : arena.params) {
      const auto want = t.at("ema/ema" + std::to_string(n) + "/" + p.name).floats();
      EXPECT_TRUE(test::max_difference(arena.get(average, p), want) <= 1e-6 * std::max(1.0, test::max_abs(want)))
          << p.name;
    }
  }
}

class GoldenLossScaler : public test::BackendTest {};

/// Loss scaling, a step that is skipped on the device, and the average beside it.
TEST_P(GoldenLossScaler, Traces) {
  BOXCAR_NEED_SHARED();
  const auto json = test::read_json(test::shared("golden/loss/schedule.json"));
  for (const auto& trace : json["grad_scaler"]) {
    LossScaler scaler(trace["init_scale"], 0, trace["growth_interval"]);
    Optimizer optimizer(stream(), {OptimizerType::kSgd, 0.1, 0.9, 0.0, ""}, {{"w", {3}, false, false, true, 0, 3}}, 3);
    Tensor p, average;
    EmaDecay decay;
    for (const auto& row : trace["rows"]) {
      EXPECT_EQ(scaler.scale(), row["scale_before"].get<double>());
      auto g = row["true_grad"].get<std::vector<float>>();
      if (!p) {  // the start, from the first step: p0 = p1 + 0.1 * (g + 0.9 g)
        std::vector<float> start;
        const auto after = row["param_after"].get<std::vector<float>>();
        for (int k = 0; k < 3; ++k) start.push_back(after[k] + 0.19f * g[k]);
        p = flat(stream(), start);
        average = flat(stream(), start);
      }
      for (float& v : g) v *= float(scaler.scale());
      if (row["bad_gradient"] == "inf") g[0] = INFINITY;
      if (row["bad_gradient"] == "nan") g[0] = NAN;
      const Tensor grads = flat(stream(), g);
      optimizer.begin_step(
          stream(),
          {.loss_scale = scaler.scale(), .average_weight = float(decay.next_weight()), .skip_not_finite = true});
      const auto* norm = optimizer.measure(stream(), grads.as());
      optimizer.step(stream(), {p.as(), grads.as(), norm, average.as()});
      scaler.update(optimizer.read_norm(stream()).finite);
      const auto stepped = p.to_host(stream()), averaged = average.to_host(stream());
      EXPECT_EQ(scaler.scale(), row["scale_after"].get<double>());
      EXPECT_EQ(scaler.good_steps(), row["growth_tracker_after"].get<int>());
      EXPECT_EQ(decay.updates(), row["ema_updates"].get<std::int64_t>());
      for (int k = 0; k < 3; ++k) {
        EXPECT_NEAR(stepped[k], row["param_after"][k].get<double>(), 1e-6 * 2);
        EXPECT_NEAR(averaged[k], row["ema_after"][k].get<double>(), 1e-6 * 2);
      }
    }
  }
}

INSTANTIATE_ON_BACKENDS(GoldenLossScaler);

TEST(GoldenEma, DecayTable) {
  BOXCAR_NEED_SHARED();
  const auto json = test::read_json(test::shared("golden/loss/schedule.json"));
  for (const auto& row : json["ema_decay"]) {
    const double want = row["decay"];
    EXPECT_NEAR(EmaDecay::at(row["updates"]), want, 1e-12 * want);
  }
}

std::vector<OptimParam> three_params() {
  return {{"model.0.conv.weight", {4, 2, 3, 3}, false, false, true, 0, 72},
          {"model.0.bn.bias", {4}, true, false, true, 96, 4},
          {"model.1.dfl.conv.weight", {1, 16, 1, 1}, false, false, false, 128, 16}};
}

TEST(Optimizer, FrozenParametersAreLeftAloneDecayIncluded) {
  for (const OptimizerType type : {OptimizerType::kSgd, OptimizerType::kMuSgd, OptimizerType::kAdamW}) {
    Stream stream;
    Optimizer optimizer(stream, {type, 0.1, 0.9, 0.5, ""}, three_params(), 160);
    std::vector<float> values(160, 1.0f), grads(160, 1.0f);
    optimizer.begin_step(stream);
    optimizer.step(stream, {values.data(), grads.data(), optimizer.measure(stream, grads.data())});
    EXPECT_EQ(optimizer.read_norm(stream).norm, std::sqrt(76.0));
    for (int i = 0; i < 160; ++i) EXPECT_EQ(values[i] == 1.0f, !(i < 72 || (i >= 96 && i < 100))) << i;
  }
}

TEST(Optimizer, AveragesEverythingOnce) {
  for (const OptimizerType type : {OptimizerType::kSgd, OptimizerType::kMuSgd, OptimizerType::kNAdam}) {
    Stream stream;
    Optimizer optimizer(stream, {type, 0.1, 0.9, 0.5, ""}, three_params(), 160, 170);
    std::vector<float> values(170, 1.0f), averages(170, 0.0f), grads(160, 1.0f);
    optimizer.begin_step(stream, {.average_weight = 0.25f});
    optimizer.step(stream, {values.data(), grads.data(), nullptr, averages.data()});
    for (int i = 0; i < 170; ++i) EXPECT_FLOAT_EQ(averages[i], 0.25f * values[i]) << i;
  }
}

TEST(Optimizer, StatesHaveTheNamesOfCheckpoints) {
  Stream stream;
  const auto names = [&](OptimizerType type) {
    std::vector<std::string> out;
    for (const auto& s : Optimizer(stream, {type, 0.1, 0.9, 0, ""}, three_params(), 160).states())
      out.emplace_back(s.name);
    return out;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names(OptimizerType::kSgd), (Names{"momentum_buffer"}));
  EXPECT_EQ(names(OptimizerType::kMuSgd), (Names{"momentum_buffer", "momentum_buffer_SGD"}));
  EXPECT_EQ(names(OptimizerType::kAdamW), (Names{"exp_avg", "exp_avg_sq"}));
  EXPECT_EQ(names(OptimizerType::kAdamax), (Names{"exp_avg", "exp_inf"}));
  EXPECT_EQ(names(OptimizerType::kRmsProp), (Names{"square_avg", "momentum_buffer"}));
}

TEST(Optimizer, ARestoredOneGoesOnWithTheSameBits) {
  for (const OptimizerType type : {OptimizerType::kMuSgd, OptimizerType::kNAdam, OptimizerType::kRAdam}) {
    Stream stream;
    std::vector<float> values(160, 1.0f), grads(160);
    for (int i = 0; i < 160; ++i) grads[i] = 0.01f * float(i) - 0.7f;
    Optimizer a(stream, {type, 0.1, 0.9, 0.1, ""}, three_params(), 160),
        b(stream, {type, 0.1, 0.9, 0.1, ""}, three_params(), 160);
    const auto step = [&](Optimizer& optimizer, std::vector<float>& at) {
      optimizer.begin_step(stream);
      optimizer.step(stream, {at.data(), grads.data()});
    };
    for (int k = 0; k < 7; ++k) step(a, values);
    auto restored = values;
    b.set_steps(a.steps());
    for (std::size_t s = 0; s < a.states().size(); ++s) {
      std::copy_n(a.states()[s].data, a.states()[s].count, b.states()[s].data);
    }
    step(a, values);
    step(b, restored);
    EXPECT_EQ(values, restored);
  }
}

TEST(Optimizer, RefusesAStepThatWasNotBegun) {
  Stream stream;
  Optimizer optimizer(stream, {OptimizerType::kSgd, 0.1, 0.9, 0, ""}, three_params(), 160);
  std::vector<float> values(160), grads(160);
  EXPECT_THROW(optimizer.step(stream, {values.data(), grads.data()}), ArgumentError);
  optimizer.begin_step(stream);
  optimizer.step(stream, {values.data(), grads.data()});
  EXPECT_THROW(optimizer.step(stream, {values.data(), grads.data()}), ArgumentError);
}

TEST(Optimizer, RefusesBadLayouts) {
  Stream stream;
  auto params = three_params();
  EXPECT_THROW(Optimizer(stream, {OptimizerType::kSgd, 0.1, 0.9, 0, ""}, params, 100), ArgumentError);
  EXPECT_THROW(Optimizer(stream, {OptimizerType::kAuto, 0.1, 0.9, 0, ""}, params, 160), ArgumentError);
  params[1].offset = 71;
  EXPECT_THROW(Optimizer(stream, {OptimizerType::kSgd, 0.1, 0.9, 0, ""}, params, 160), ArgumentError);
  params[1].offset = 96;
  params[1].dims = {5};
  EXPECT_THROW(Optimizer(stream, {OptimizerType::kSgd, 0.1, 0.9, 0, ""}, params, 160), ArgumentError);
}

}  // namespace
}  // namespace boxcar::nn
