// Trains detectors. Short on purpose: an example of how to write another trainer.
#pragma once

#include "boxcar/trainers/detect/detection_validator.h"
#include "boxcar/trainers/engine/base_trainer.h"

namespace boxcar {

class DetectionTrainer : public BaseTrainer {
 public:
  using BaseTrainer::BaseTrainer;
  std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights* weights) override;
  std::unique_ptr<BaseValidator> get_validator() override;
};

}  // namespace boxcar
