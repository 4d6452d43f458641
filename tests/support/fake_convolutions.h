// An engine for convolutions whose plans are what a test says they are.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "boxcar/kernels/conv/conv_plans.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::test {

/// A plan of a FakeEngine.
struct FakePlan {
  std::string name;
  std::function<void(Stream&, const kernels::ConvOperands&)> run = {};  // nothing, if there is none
  std::chrono::milliseconds takes{0};
  std::string refusal = {};   // not empty: refused
  bool slow_to_make = false;  // only offered thoroughly
};

/// Counts what is asked of it.
class FakeEngine final : public kernels::ConvEngine {
 public:
  using Plans = std::function<std::vector<FakePlan>(const kernels::ConvProblem&)>;
  struct Counts {
    int offers = 0, thorough = 0, restored = 0, runs = 0;
  };
  FakeEngine(std::string library, Plans plans, std::shared_ptr<Counts> counts)
      : library_(std::move(library)), plans_(std::move(plans)), counts_(std::move(counts)) {}

  std::string library() const override { return library_; }
  std::vector<kernels::ConvOffer> offers(const kernels::ConvProblem& problem,
                                         const kernels::ConvWishes& wishes) override {
    ++counts_->offers;
    counts_->thorough += wishes.thorough;
    std::vector<kernels::ConvOffer> offers;
    int plans = 0;
    for (const FakePlan& plan : plans_(problem)) {
      if (plans == wishes.most) break;
      if (plan.slow_to_make && !wishes.thorough) continue;
      kernels::ConvOffer& offer = offers.emplace_back(kernels::ConvOffer{.name = plan.name});
      if (plan.refusal.empty()) {
        ++plans;
        offer.plan = std::make_shared<Plan>(plan, counts_);
      } else {
        offer.refusal = plan.refusal;
      }
    }
    return offers;
  }
  std::shared_ptr<kernels::ConvPlan> restore(const kernels::ConvProblem& problem, std::string_view name) override {
    for (const FakePlan& plan : plans_(problem)) {
      if (plan.name != name || !plan.refusal.empty()) continue;
      ++counts_->restored;
      return std::make_shared<Plan>(plan, counts_);
    }
    return nullptr;
  }

 private:
  class Plan final : public kernels::ConvPlan {
   public:
    Plan(FakePlan plan, std::shared_ptr<Counts> counts) : plan_(std::move(plan)), counts_(std::move(counts)) {}
    std::size_t workspace_bytes() const override { return 100; }
    void run(Stream& stream, const kernels::ConvOperands& operands, void* workspace) override {
      if (!workspace) fail<DeviceError>("no workspace came");
      ++counts_->runs;
      std::this_thread::sleep_for(plan_.takes);
      if (plan_.run) plan_.run(stream, operands);
    }

   private:
    FakePlan plan_;
    std::shared_ptr<Counts> counts_;
  };

  std::string library_;
  Plans plans_;
  std::shared_ptr<Counts> counts_;
};

}  // namespace boxcar::test
