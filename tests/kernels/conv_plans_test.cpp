// The choice between plans of a library and our own kernel, with an engine made of plans that tests describe.
#include "boxcar/kernels/conv/conv_plans.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "support/fake_convolutions.h"

namespace boxcar::kernels {
namespace {

using test::FakeEngine;
using test::FakePlan;
using namespace std::chrono_literals;

const ConvProblem kProblem{.x = {2, 8, 8, 4}, .y = {2, 8, 8, 6}, .options = {.kernel = 3, .padding = 1}};
const ConvProblem kFused{
    .x = {2, 8, 8, 4}, .y = {2, 8, 8, 6}, .options = {.kernel = 3, .padding = 1}, .bias = true, .act = ActKind::kSilu};

void throws(Stream&, const ConvOperands&) { fail<DeviceError>("CUDNN_STATUS_NOT_SUPPORTED"); }

// Runs problems on a CPU stream and remembers what ran.
class PlansTest : public ::testing::Test {
 protected:
  void use(std::vector<FakePlan> plans, std::string library = "libfake 1.2.3") {
    plans_.add_engine(std::make_unique<FakeEngine>(
        std::move(library), [plans = std::move(plans)](const ConvProblem&) { return plans; }, counts_));
    plans_.set_log(Log([this](LogLevel, std::string_view message) { log_.emplace_back(message); }));
  }
  ConvPlans::Ways ways(std::chrono::milliseconds own_takes = 0ms) {
    return {.own =
                [=, this](bool trial) {
                  std::this_thread::sleep_for(own_takes);
                  if (!trial) ran_.emplace_back("own");
                },
            .vendor =
                [this](ConvPlan& plan, bool trial) {
                  int workspace = 0;
                  plan.run(stream_, {}, &workspace);
                  if (!trial) ran_.emplace_back("plan");
                }};
  }
  void run(const ConvProblem& problem = kProblem, std::chrono::milliseconds own_takes = 20ms) {
    plans_.run(problem, ways(own_takes));
  }

  Stream stream_;
  ConvPlans plans_{stream_};
  std::shared_ptr<FakeEngine::Counts> counts_ = std::make_shared<FakeEngine::Counts>();
  std::vector<std::string> ran_, log_;
};

TEST_F(PlansTest, WithoutEnginesOurOwnKernelRuns) {
  EXPECT_FALSE(plans_.has_engines());
  run();
  EXPECT_EQ(ran_, std::vector<std::string>{"own"});
  EXPECT_EQ(plans_.choices(), 0);
}

TEST_F(PlansTest, TakesTheFastestOfThoseTimed) {
  use({{"slow", {}, 12ms}, {"fast", {}, 1ms}, {"middle", {}, 6ms}});
  plans_.set_timed(true);
  run();
  EXPECT_EQ(plans_.choice(kProblem), "fast");
  EXPECT_EQ(ran_, std::vector<std::string>{"plan"});
  const int runs = counts_->runs;
  run();
  EXPECT_EQ(counts_->offers, 1) << "it was chosen before";
  EXPECT_EQ(counts_->runs, runs + 1);
}

TEST_F(PlansTest, KeepsOurOwnKernelWhereItIsFaster) {
  use({{"slow", {}, 20ms}});
  plans_.set_timed(true);
  run(kProblem, 1ms);
  EXPECT_EQ(plans_.choice(kProblem), "own");
  EXPECT_EQ(ran_, std::vector<std::string>{"own"});
}

TEST_F(PlansTest, WithoutTimingTakesTheFirstThatFits) {
  use({{"compiled", {}, 0ms, "", true}, {"first", {}, 12ms}, {"fast", {}, 0ms}});
  run();
  EXPECT_EQ(plans_.choice(kProblem), "first");
  EXPECT_EQ(counts_->runs, 1) << "and does not try it";
}

TEST_F(PlansTest, AsksTheNextEngineWhereTheFirstHasNone) {
  use({{"engine 3", {}, 0ms, "not deterministic"}}, "libfirst 1");
  use({{"second", {}, 0ms}}, "libsecond 2");
  run();
  EXPECT_EQ(plans_.choice(kProblem), "second");
}

TEST_F(PlansTest, SaysOnceWhyThereIsNoPlan) {
  use({{"engine 3", {}, 0ms, "not deterministic"}, {"engine 4", {}, 0ms, "TF32"}});
  run();
  run();
  EXPECT_EQ(ran_, (std::vector<std::string>{"own", "own"}));
  EXPECT_EQ(log_, std::vector<std::string>{"convolution forward 2x8x8x4->6 k3 s1 p1 d1 g1 f32>f32: no plan of "
                                           "libfake 1.2.3, our own kernel runs (engine 3: not deterministic)"});
}

TEST_F(PlansTest, DropsAPlanThatFailsAtWork) {
  int left = 3;
  const auto fails_later = [&left](Stream& stream, const ConvOperands& operands) {
    if (--left < 0) throws(stream, operands);
  };
  use({{"good at first", fails_later}});
  for (int i = 0; i < 5; ++i) run();
  EXPECT_EQ(ran_, (std::vector<std::string>{"plan", "plan", "plan", "own", "own"}));
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_NE(log_[0].find("good at first failed and is not used again: CUDNN_STATUS_NOT_SUPPORTED"), std::string::npos)
      << log_[0];
  EXPECT_EQ(plans_.choice(kProblem), "own");
}

TEST_F(PlansTest, LeavesOutWhatFailsWhileTimedAndFallsToTheNext) {
  use({{"broken", throws}, {"slow", {}, 8ms}, {"fast", {}, 1ms}});
  plans_.set_timed(true);
  run();
  EXPECT_EQ(plans_.choice(kProblem), "fast");
  EXPECT_EQ(ran_, std::vector<std::string>{"plan"});
}

TEST_F(PlansTest, OurOwnKernelCanBePreferred) {
  use({{"first"}});
  ConvPlans::Ways preferred = ways();
  preferred.prefer_own = true;
  plans_.run(kProblem, preferred);
  EXPECT_EQ(plans_.choice(kProblem), "own");
  EXPECT_TRUE(log_.empty());
}

TEST_F(PlansTest, WaitsForTheThirdCallBeforePlansOfInferenceAreTimed) {
  use({{"compiled", {}, 0ms, "", true}});
  plans_.set_timed(true);
  for (int i = 0; i < 4; ++i) run(kFused);
  EXPECT_EQ(ran_, (std::vector<std::string>{"own", "own", "plan", "plan"}));
}

TEST_F(PlansTest, OtherProblemsAreOtherChoices) {
  use({{"first"}});
  run();
  const std::vector<std::function<void(ConvProblem&)>> changes{
      [](ConvProblem& p) { p.pass = ConvPass::kBackwardInput; },
      [](ConvProblem& p) { p.x.n = 3; },
      [](ConvProblem& p) { p.options.dilation = 2; },
      [](ConvProblem& p) { p.result = DType::kBF16; },
      [](ConvProblem& p) { p.statistics = true; },
      [](ConvProblem& p) { p.bias = true; }};
  for (const auto& change : changes) {
    ConvProblem other = kProblem;
    change(other);
    EXPECT_EQ(plans_.choice(other), "");
    run(other);
    EXPECT_EQ(plans_.choice(other), "first");
  }
  EXPECT_EQ(plans_.choices(), 7);
  ASSERT_EQ(plans_.problems().size(), 7u);
  EXPECT_EQ(plans_.problems()[0].text(), "backward_input 2x8x8x4->6 k3 s1 p1 d1 g1 f32>f32");
}

TEST_F(PlansTest, ChoicesAreReadBackInAnotherProcess) {
  use({{"slow", {}, 12ms}, {"fast 2=5 13=1", {}, 1ms}});
  plans_.set_timed(true);
  run();
  run(kFused);  // not chosen yet
  const std::string text = plans_.to_text();
  EXPECT_EQ(text,
            "# convolution plans: libfake 1.2.3; cpu\n"
            "forward 2x8x8x4->6 k3 s1 p1 d1 g1 f32>f32\tfast 2=5 13=1\n");

  Stream stream;
  ConvPlans other(stream);
  const auto counts = std::make_shared<FakeEngine::Counts>();
  std::vector<std::string> log;
  other.set_log(Log([&](LogLevel, std::string_view message) { log.emplace_back(message); }));
  other.add_engine(std::make_unique<FakeEngine>(
      "libfake 1.2.3",
      [](const ConvProblem&) {
        return std::vector<FakePlan>{{"slow"}, {"fast 2=5 13=1"}};
      },
      counts));
  other.read_text(text, "plans.txt");
  EXPECT_EQ(other.to_text(), text) << "kept, though it did not come yet";
  other.run(kProblem, ways());
  EXPECT_EQ(other.choice(kProblem), "fast 2=5 13=1");
  EXPECT_EQ(counts->restored, 1);
  EXPECT_EQ(counts->offers, 0);
  EXPECT_EQ(other.to_text(), text);
  EXPECT_TRUE(log.empty());
}

TEST_F(PlansTest, SaysThatBitsWillDifferWithOtherLibraries) {
  use({{"new", {}, 0ms}});
  plans_.read_text(
      "# convolution plans: libfake 1.0.0; cpu\n"
      "forward 2x8x8x4->6 k3 s1 p1 d1 g1 f32>f32\tgone\n",
      "plans.txt");
  ASSERT_EQ(log_.size(), 1u);
  EXPECT_EQ(log_[0],
            "plans.txt: the plans were chosen for libfake 1.0.0; cpu, here is libfake 1.2.3; cpu: the numbers will "
            "differ in their last bits");
  run();
  EXPECT_EQ(plans_.choice(kProblem), "new");
  ASSERT_EQ(log_.size(), 2u);
  EXPECT_NE(log_[1].find("the plan gone of the file cannot be had here"), std::string::npos) << log_[1];
}

TEST_F(PlansTest, OurOwnKernelIsAChoiceToKeep) {
  use({{"first"}});
  plans_.read_text("# convolution plans: libfake 1.2.3; cpu\nforward 2x8x8x4->6 k3 s1 p1 d1 g1 f32>f32\town\n",
                   "plans.txt");
  run();
  EXPECT_EQ(plans_.choice(kProblem), "own");
}

TEST_F(PlansTest, RefusesOtherFiles) {
  EXPECT_THROW(plans_.read_text("epoch,time\n1,2\n", "results.csv"), DataError);
  EXPECT_THROW(plans_.read_text("# convolution plans: a; b\nno tab\n", "plans.txt"), DataError);
}

}  // namespace
}  // namespace boxcar::kernels
