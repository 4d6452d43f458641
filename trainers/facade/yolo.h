// One object for a model's whole life: train, validate, predict.
#pragma once

#include <concepts>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "boxcar/trainers/detect/detection_predictor.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "boxcar/trainers/detect/detection_validator.h"
#include "boxcar/trainers/facade/image_view.h"

namespace boxcar {

/// Callbacks added here are copied to every run, behind those that the run's own object brings. One thread.
///
/// What a run's arguments are, each stronger than the one before: the defaults; what the model's checkpoint remembers
/// of its training (imgsz, single_cls, data); the call's own defaults; the file of cfg=; what the call sets.
class YOLO : public HasCallbacks {
 public:
  /// Makes trainers: Overrides with the model's file in them, and the facade's Options.
  using TrainerFactory = std::function<std::unique_ptr<BaseTrainer>(Overrides, Options)>;

  /// A description (.yaml) or weights with one (.pt, never executed; .safetensors). Throws ArgumentError for a file
  /// that is not there, ModelError or IoError for one that is no model.
  explicit YOLO(const std::filesystem::path& model, Options options = {});

  /// Trains from this model; afterwards it is the best one of the run, and val() and predict() build the network with
  /// the get_model() of a new trainer of the same kind.
  template <std::derived_from<BaseTrainer> T = DetectionTrainer>
  Metrics train(const Overrides& overrides = {}) {
    return train(
        [](Overrides o, Options options) -> std::unique_ptr<BaseTrainer> {
          return std::make_unique<T>(std::move(o), std::move(options));
        },
        overrides);
  }
  Metrics train(const TrainerFactory& make, const Overrides& overrides = {});

  /// Measures the model, with rect=True unless it says otherwise; without data= on the data set it was trained on, if
  /// that still exists. Pictures go to a run folder of mode val.
  template <std::derived_from<BaseValidator> V = DetectionValidator>
  Metrics val(const Overrides& overrides = {}) {
    V validator;
    return val(validator, overrides);
  }

  /// Results of all images of a source: see predict_sources(). conf=0.25, batch=1, rect=True and save=False unless it
  /// says otherwise.
  template <std::derived_from<BasePredictor> P = DetectionPredictor>
  std::vector<Results> predict(const std::filesystem::path& source, const Overrides& overrides = {}) {
    P predictor;
    std::vector<Results> all;
    const auto keep = [&](Results&& r) {
      all.push_back(std::move(r));
      return true;
    };
    predict_with(predictor, source, keep, overrides);
    return all;
  }
  /// The same on pictures in memory, as one batch; they are called image0.jpg, image1.jpg, ...
  std::vector<Results> predict(std::span<const ImageView> images, const Overrides& overrides = {});
  /// Results one by one; `take` returns false to end the run.
  void predict_each(const std::filesystem::path& source, const std::function<bool(Results&&)>& take,
                    const Overrides& overrides = {});

  const std::filesystem::path& model() const { return model_; }

 private:
  Metrics val(BaseValidator& validator, const Overrides& overrides);
  void predict_with(BasePredictor& predictor, const std::filesystem::path& source, const BasePredictor::Take& take,
                    const Overrides& overrides);
  Args arguments(const Overrides& call_defaults, const Overrides& overrides) const;
  Args predict_args(const Overrides& overrides) const;
  void adopt(const std::filesystem::path& model);
  LoadedModel& loaded(const Args& args);

  std::filesystem::path model_;
  Options options_;
  Overrides remembered_;
  TrainerFactory make_trainer_;  // of the last train(); empty: networks as the file describes them
  std::unique_ptr<LoadedModel> loaded_;
  int loaded_threads_ = 0;
};

}  // namespace boxcar
