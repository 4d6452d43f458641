#include "boxcar/nn/optim/schedule.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/nn/criterion/branch_weights.h"
#include "boxcar/nn/criterion/class_weights.h"
#include "boxcar/nn/optim/optimizer_type.h"
#include "boxcar/nn/optim/param_groups.h"
#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar::nn {
namespace {

#define EXPECT_RELATIVE(got, want)                                                 \
  do {                                                                             \
    const double g_ = (got), w_ = (want);                                          \
    EXPECT_TRUE(std::abs(g_ - w_) <= 1e-12 * std::abs(w_)) << g_ << " not " << w_; \
  } while (false)

TEST(Schedule, HandWorkedFactors) {
  EXPECT_DOUBLE_EQ(lr_factor(0, 100, 0.01, false), 1.0);
  EXPECT_DOUBLE_EQ(lr_factor(50, 100, 0.01, false), 0.505);
  EXPECT_DOUBLE_EQ(lr_factor(200, 100, 0.01, false), 0.01);
  EXPECT_DOUBLE_EQ(lr_factor(50, 100, 0.0, true), 0.5);
}

TEST(Schedule, AccumulationAndDecay) {
  EXPECT_EQ(nominal_accumulation(16, 64), 4);
  EXPECT_EQ(nominal_accumulation(24, 64), 3);
  EXPECT_EQ(nominal_accumulation(128, 64), 1);
  EXPECT_EQ(nominal_accumulation(2, 5), 2);  // 2.5: halves to even
  EXPECT_DOUBLE_EQ(scaled_weight_decay(0.0005, 16, 64), 0.0005);
  EXPECT_DOUBLE_EQ(scaled_weight_decay(0.0005, 24, 64), 0.0005625);
  EXPECT_DOUBLE_EQ(scaled_weight_decay(0.0005, 96, 64), 0.00075);
}

TEST(Schedule, RefusesRunsWithoutSteps) {
  EXPECT_THROW(LrSchedule({.epochs = 0}), ArgumentError);
  EXPECT_THROW(LrSchedule({.batches_per_epoch = 0}), ArgumentError);
  EXPECT_THROW(LrSchedule({.batch = 0}), ArgumentError);
}

TEST(Schedule, ATimeLimitLiftsTheCap) {
  EXPECT_EQ(LrSchedule({.epochs = 2, .batches_per_epoch = 2, .batch = 2, .warmup_epochs = 0}).accumulation(0), 4);
  EXPECT_EQ(LrSchedule({.epochs = 2, .batches_per_epoch = 2, .batch = 2, .warmup_epochs = 0, .cap_accumulation = false})
                .accumulation(0),
            32);
}

TEST(Accumulation, CarriesOverAndStartsAtOnceAfterAReset) {
  GradAccumulation accumulation;
  std::vector<bool> due;
  for (int ni = 0; ni < 6; ++ni) due.push_back(accumulation.due(ni, 4));
  EXPECT_EQ(due, (std::vector<bool>{false, false, false, true, false, false}));
  accumulation.reset();
  EXPECT_TRUE(accumulation.due(6, 4));
}

double initial_momentum(const nlohmann::json& run) { return run["optimizer"] == "auto" ? 0.9 : 0.937; }

void check_run(const nlohmann::json& run) {
  SCOPED_TRACE(run["name"].get<std::string>());
  const OptimizerType given = parse_optimizer(run["optimizer"].get<std::string>());
  const OptimizerType chosen = parse_optimizer(run["chosen_optimizer"].get<std::string>());
  const int batch = run["batch"], nbs = run["nbs"], epochs = run["epochs"];
  const std::int64_t iterations = run["iterations"];
  // The one run whose number of iterations was set by hand, to reach the other branch of the rule.
  if (run["name"] != "auto_large_run") {
    EXPECT_EQ(iterations, auto_iterations(run["n"], batch, nbs, epochs));
  }
  double lr0 = run["lr0_given"];
  if (given == OptimizerType::kAuto) {
    const AutoOptimizer a = choose_optimizer(iterations, 3);
    EXPECT_EQ(a.type, chosen);
    EXPECT_EQ(a.warmup_bias_lr, run["warmup_bias_lr_after"].get<double>());
    lr0 = a.lr;
  }
  EXPECT_EQ(lr0, run["lr0_after"].get<double>());
  const LrSchedule schedule({.epochs = epochs,
                             .batches_per_epoch = run["nb"],
                             .batch = batch,
                             .nbs = nbs,
                             .lrf = run["lrf"],
                             .cosine = run["cos_lr"],
                             .warmup_epochs = run["warmup_epochs"],
                             .warmup_bias_lr = run["warmup_bias_lr_after"]});
  EXPECT_EQ(schedule.warmup_batches(), run["nw"].get<std::int64_t>());
  EXPECT_EQ(nominal_accumulation(batch, nbs), run["accumulate_nominal"].get<int>());
  EXPECT_EQ(schedule.accumulation(1'000'000), run["accumulate_capped"].get<int>());
  const double decay = scaled_weight_decay(run["weight_decay_given"], batch, nbs);
  EXPECT_RELATIVE(decay, run["weight_decay_used"].get<double>());
  const auto groups = make_groups(chosen, lr0, initial_momentum(run), decay);
  ASSERT_EQ(groups.size(), run["groups"].size());
  GradAccumulation accumulation;
  for (const auto& row : run["trace"]) {
    const std::int64_t ni = row["ni"];
    SCOPED_TRACE(ni);
    const int accumulate = schedule.accumulation(ni);
    EXPECT_EQ(accumulate, row["accumulate"].get<int>());
    EXPECT_EQ(accumulation.due(ni, accumulate), row["optimizer_step"].get<bool>());
    for (std::size_t g = 0; g < groups.size(); ++g) {
      EXPECT_EQ(name_of(groups[g].kind), run["groups"][g]["param_group"].get<std::string>());
      EXPECT_RELATIVE(groups[g].weight_decay, run["groups"][g]["weight_decay"].get<double>());
      EXPECT_RELATIVE(schedule.lr(groups[g].initial_lr, groups[g].kind == GroupKind::kBias, ni, row["epoch"]),
                      row["lr"][g].get<double>());
      EXPECT_EQ(has_momentum(chosen), !row["momentum"][g].is_null());
      if (has_momentum(chosen)) {
        EXPECT_RELATIVE(schedule.momentum(groups[g].initial_momentum, ni), row["momentum"][g].get<double>());
      } else {
        EXPECT_RELATIVE(groups[g].momentum, row["beta1"][g].get<double>());
      }
    }
  }
}

struct GoldenSchedule : testing::Test {
  void SetUp() override {
    BOXCAR_NEED_SHARED();
    json = test::read_json(test::shared("golden/loss/schedule.json"));
  }
  nlohmann::json json;
};

TEST_F(GoldenSchedule, EveryBatchOfEveryRun) {
  for (const auto& run : json["runs"]) check_run(run);
}

TEST_F(GoldenSchedule, FactorTables) {
  for (const auto& [name, lrf, epochs] :
       {std::tuple{"epochs100_lrf0.01", 0.01, 100}, std::tuple{"epochs3_lrf0.1", 0.1, 3}}) {
    for (const bool cosine : {false, true}) {
      const auto& table = json["lf"][name][cosine ? "cosine" : "linear"];
      for (std::size_t e = 0; e < table.size(); ++e) {
        EXPECT_RELATIVE(lr_factor(double(e), epochs, lrf, cosine), table[e].get<double>());
      }
    }
  }
  EXPECT_EQ(json["lf"].size(), 2u);
}

TEST_F(GoldenSchedule, AutoRule) {
  for (const auto& row : json["auto_rule"]) {
    const AutoOptimizer a = choose_optimizer(row["iterations"], row["nc"]);
    EXPECT_EQ(name_of(a.type), row["optimizer"].get<std::string>());
    EXPECT_EQ(a.lr, row["lr"].get<double>());
    EXPECT_EQ(a.warmup_bias_lr, row["warmup_bias_lr"].get<double>());
    EXPECT_EQ(a.momentum, row["momentum_or_beta1_at_construction"].get<double>());
  }
}

TEST_F(GoldenSchedule, BranchWeights) {
  for (const auto& [name, rows] : json["e2e_weights"].items()) {
    const int epochs = std::stoi(name.substr(6));
    for (const auto& row : rows) {
      const BranchWeights w = branch_weights(row["epoch"], epochs);
      EXPECT_RELATIVE(w.one2many, row["o2m"].get<double>());
      EXPECT_RELATIVE(w.one2one, row["o2o"].get<double>());
    }
  }
}

TEST(ParamGroups, Rules) {
  const auto choose = [](OptimizerType type, const char* name, int dims, bool norm) {
    return choose_group(type, {name, dims, norm}, "model.23.");
  };
  using G = GroupChoice;
  EXPECT_EQ(choose(OptimizerType::kSgd, "model.0.conv.weight", 4, false), (G{GroupKind::kWeight, false}));
  EXPECT_EQ(choose(OptimizerType::kSgd, "model.0.bn.weight", 1, true), (G{GroupKind::kNorm, false}));
  EXPECT_EQ(choose(OptimizerType::kSgd, "model.0.bn.bias", 1, true), (G{GroupKind::kBias, false}));
  EXPECT_EQ(choose(OptimizerType::kSgd, "model.23.cv3.0.2.bias", 1, false), (G{GroupKind::kBias, false}));
  EXPECT_EQ(choose(OptimizerType::kSgd, "model.9.logit_scale", 0, false), (G{GroupKind::kNorm, false}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.0.conv.weight", 4, false), (G{GroupKind::kMuon, false}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.23.cv3.0.2.weight", 4, false), (G{GroupKind::kMuon, true}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.23.one2one_cv3.0.0.bn.weight", 1, true), (G{GroupKind::kNorm, true}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.23.cv3.0.2.bias", 1, false), (G{GroupKind::kBias, true}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.6.m.0.cv3.conv.weight", 4, false), (G{GroupKind::kMuon, false}));
  EXPECT_EQ(choose(OptimizerType::kMuSgd, "model.23.cv2.0.2.bias", 1, false), (G{GroupKind::kBias, false}));
  EXPECT_TRUE(always_frozen("model.23.dfl.conv.weight"));
  EXPECT_FALSE(always_frozen("model.23.cv2.0.2.bias"));
}

TEST(OptimizerType, NamesInAnyCase) {
  EXPECT_EQ(parse_optimizer("adamw"), OptimizerType::kAdamW);
  EXPECT_EQ(parse_optimizer("RMSprop"), OptimizerType::kRmsProp);
  EXPECT_EQ(parse_optimizer("AUTO"), OptimizerType::kAuto);
  EXPECT_EQ(name_of(OptimizerType::kMuSgd), "MuSGD");
  EXPECT_THROW(parse_optimizer("lion"), ArgumentError);
  EXPECT_THROW(parse_optimizer(""), ArgumentError);
}

TEST(ClassWeights, ByHand) {
  // 1/2 and 1/8 with power 1: mean 0.3125; the class that does not occur has the mean, 1 after division.
  const std::vector<std::int64_t> counts{2, 0, 8};
  const auto w = class_weights(counts, 1.0);
  EXPECT_FLOAT_EQ(w[0], 1.6f);
  EXPECT_FLOAT_EQ(w[1], 1.0f);
  EXPECT_FLOAT_EQ(w[2], 0.4f);
  EXPECT_TRUE(class_weights(counts, 0.0).empty());
  EXPECT_TRUE(class_weights(std::vector<std::int64_t>{0, 0}, 1.0).empty());
  EXPECT_THROW(class_weights(counts, 1.5), ArgumentError);
}

}  // namespace
}  // namespace boxcar::nn
