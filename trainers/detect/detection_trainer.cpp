#include "boxcar/trainers/detect/detection_trainer.h"

namespace boxcar {

std::unique_ptr<Model> DetectionTrainer::get_model(const ModelSpec& spec, const Weights* weights) {
  auto model = std::make_unique<DetectionModel>(spec);
  if (weights) {
    const std::vector<std::string> taken = weights->load_into(*model);
    std::size_t all = 0;
    model->for_each_parameter([&](const std::string&, nn::Parameter&) { ++all; });
    log().info("{} of {} tensors from {}", taken.size(), all, weights->path().string());
  }
  return model;
}

std::unique_ptr<BaseValidator> DetectionTrainer::get_validator() { return std::make_unique<DetectionValidator>(); }

}  // namespace boxcar
