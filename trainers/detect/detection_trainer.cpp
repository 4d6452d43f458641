#include "boxcar/trainers/detect/detection_trainer.h"

namespace boxcar {

std::unique_ptr<Model> DetectionTrainer::get_model(const ModelSpec& spec, const Weights* weights) {
  auto model = std::make_unique<DetectionModel>(spec);
  if (weights) log().info("{}", weights->load_into(*model).text(weights->path().string()));
  return model;
}

std::unique_ptr<BaseValidator> DetectionTrainer::get_validator() { return std::make_unique<DetectionValidator>(); }

}  // namespace boxcar
