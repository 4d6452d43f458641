#include "boxcar/trainers/facade/yolo.h"

#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/device_choice.h"
#include "boxcar/trainers/args/run_folder.h"
#include "boxcar/trainers/engine/builtin_files.h"
#include "boxcar/trainers/engine/predict_sources.h"
#include "boxcar/trainers/engine/profile_report.h"
#include "boxcar/trainers/engine/standalone_val.h"
#include "boxcar/trainers/facade/remembered.h"

namespace boxcar {
namespace {

bool is_description(const std::filesystem::path& file) {
  const std::string suffix = lower_suffix(file);
  return suffix == "yaml" || suffix == "yml";
}

bool is_there(const std::filesystem::path& file) {
  std::error_code ignored;
  return std::filesystem::exists(file, ignored);
}

bool writes(const Args& args) { return args.save || args.save_txt || args.save_crop; }

std::unique_ptr<DetectionModel> detection_model(std::unique_ptr<Model> model) {
  auto* detection = dynamic_cast<DetectionModel*>(model.get());
  if (!detection) fail<ModelError>("get_model() gave no DetectionModel, which val and predict need");
  static_cast<void>(model.release());
  return std::unique_ptr<DetectionModel>(detection);
}

}  // namespace

YOLO::YOLO(const std::filesystem::path& model, Options options) : options_(std::move(options)) {
  if (is_description(model)) {
    load_model_spec(model.string(), {}, builtin_model);  // refuses a bad one now
  } else if (!is_there(model)) {
    fail<ArgumentError>("the model {} does not exist", model.string());
  } else {
    Weights::read(model).spec();
  }
  adopt(model);
}

void YOLO::adopt(const std::filesystem::path& model) {
  model_ = model;
  remembered_ = remembered_settings(model);
  loaded_.reset();
}

Args YOLO::arguments(const Overrides& call_defaults, const Overrides& overrides) const {
  Overrides all = remembered_;
  all.merge(call_defaults).merge(with_config_file(overrides));
  return Args::from(all, Log(options_.log));
}

Metrics YOLO::train(const TrainerFactory& make, const Overrides& overrides) {
  const Setting* cfg = overrides.find("cfg");
  Overrides all;
  // A cfg file stands in the place of what is remembered.
  if (!cfg || cfg->is_null()) all = remembered_;
  all.set("model", model_.string()).merge(overrides);
  const std::unique_ptr<BaseTrainer> trainer = make(std::move(all), options_);
  if (!trainer) fail<ArgumentError>("the trainer factory gave no trainer");
  trainer->add_callbacks_from(*this);
  const TrainResult result = trainer->train();
  make_trainer_ = make;
  if (!is_there(result.best) && !is_there(result.last)) {
    fail<IoError>("the run left neither {} nor {}", result.best.string(), result.last.string());
  }
  adopt(is_there(result.best) ? result.best : result.last);
  return result.metrics;
}

LoadedModel& YOLO::loaded(const Args& args) {
  const Device device = chosen_device(args.device);
  if (is_description(model_)) fail<ArgumentError>("{} has no weights; train it first", model_.string());
  const int threads = options_.threads > 0 ? options_.threads : args.threads;
  if (loaded_ && loaded_threads_ == threads && loaded_->stream().device() == device) return *loaded_;
  const Weights weights = Weights::read(model_);
  if (make_trainer_) {
    const std::unique_ptr<BaseTrainer> trainer = make_trainer_({{"model", model_.string()}}, {});
    loaded_ = std::make_unique<LoadedModel>(detection_model(trainer->get_model(weights.spec(), &weights)), weights,
                                            device, threads);
  } else {
    loaded_ = std::make_unique<LoadedModel>(weights, device, threads);
  }
  loaded_threads_ = threads;
  return *loaded_;
}

Metrics YOLO::val(BaseValidator& validator, const Overrides& overrides) {
  Overrides forced = overrides;
  const Args args = arguments({{"rect", true}}, forced.set("mode", "val"));
  validator.add_callbacks_from(*this);
  return validate_model(validator, loaded(args), args, options_).metrics;
}

Args YOLO::predict_args(const Overrides& overrides) const {
  Overrides forced = overrides;
  return arguments({{"conf", 0.25}, {"batch", 1}, {"save", false}, {"rect", true}}, forced.set("mode", "predict"));
}

void YOLO::predict_with(BasePredictor& predictor, const std::filesystem::path& source, const BasePredictor::Take& take,
                        const Overrides& overrides) {
  const Args args = predict_args(overrides);
  const Log log(options_.log);
  const std::vector<std::filesystem::path> files = predict_sources(source.string(), log);
  BasePredictor::Input input{.model = loaded(args), .args = args, .log = log, .stop = options_.stop};
  if (writes(args)) input.save_dir = make_run_folder(args);
  predictor.add_callbacks_from(*this);
  const RunProfile profile(input.model.stream(), args.profile);
  predictor.run(input, files, take);
  profile.report(input.save_dir, log);
}

std::vector<Results> YOLO::predict(std::span<const ImageView> images, const Overrides& overrides) {
  const Args args = predict_args(overrides);
  std::vector<PredictImage> pictures;
  for (const ImageView& view : images) {
    pictures.push_back(
        {"image" + std::to_string(pictures.size()) + ".jpg", std::make_shared<const Image>(copied(view))});
  }
  BasePredictor::Input input{.model = loaded(args), .args = args, .log = Log(options_.log), .stop = options_.stop};
  if (writes(args)) input.save_dir = make_run_folder(args);
  DetectionPredictor predictor;
  predictor.add_callbacks_from(*this);
  std::vector<Results> all;
  const RunProfile profile(input.model.stream(), args.profile);
  predictor.run(input, pictures, [&](Results&& r) {
    all.push_back(std::move(r));
    return true;
  });
  profile.report(input.save_dir, input.log);
  return all;
}

void YOLO::predict_each(const std::filesystem::path& source, const std::function<bool(Results&&)>& take,
                        const Overrides& overrides) {
  DetectionPredictor predictor;
  predict_with(predictor, source, take, overrides);
}

}  // namespace boxcar
