// The whole `boxcar` command line, for a program of one's own with one's own classes inside:
//   int main(int argc, char** argv) { return boxcar::Program().trainer<MyTrainer>().run(argc, argv); }
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/trainers/detect/detection_trainer.h"

namespace boxcar {

class Program {
 public:
  Program();

  /// The trainer that `train` makes.
  template <std::derived_from<BaseTrainer> T>
  Program& trainer() {
    make_trainer_ = [](Overrides overrides, Options options) -> std::unique_ptr<BaseTrainer> {
      return std::make_unique<T>(std::move(overrides), std::move(options));
    };
    return *this;
  }
  /// A callback of every trainer that `train` makes.
  template <class F>
  Program& on(std::string_view event, F f, CallbackOptions o = {}) {
    subscriptions_.push_back([event = std::string(event), f, o](BaseTrainer& t) { t.add_callback(event, f, o); });
    return *this;
  }

  /// Reads the command line, runs it, prints what fails as one sentence. Returns the exit status: 0, 2 for a command
  /// line that cannot be understood, 1 for anything else that failed. Ctrl-C ends a training run after its batch.
  int run(int argc, char** argv);

 private:
  int execute(int argc, char** argv);
  int train(const Overrides& overrides);

  std::function<std::unique_ptr<BaseTrainer>(Overrides, Options)> make_trainer_;
  std::vector<std::function<void(BaseTrainer&)>> subscriptions_;
};

}  // namespace boxcar
