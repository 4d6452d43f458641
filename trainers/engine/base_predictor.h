// Runs a model over images.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "boxcar/data/image/image.h"
#include "boxcar/kernels/nms/nms.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/trainers/args/args.h"
#include "boxcar/trainers/callbacks/has_callbacks.h"
#include "boxcar/trainers/checkpoint/weights.h"
#include "boxcar/trainers/engine/options.h"
#include "boxcar/trainers/results/results.h"

namespace boxcar {

/// A model ready to predict and to be measured: weights loaded, batch norms folded.
class LoadedModel {
 public:
  /// The network that the weights' file describes. Throws ModelError where it describes none.
  LoadedModel(const Weights& weights, Device device, int threads);
  /// A network of the caller's own, freshly made. Throws ModelError where the weights do not fill it.
  LoadedModel(std::unique_ptr<DetectionModel> model, const Weights& weights, Device device, int threads);

  DetectionModel& model() { return *model_; }
  Stream& stream() { return stream_; }
  const std::shared_ptr<const std::vector<std::string>>& names() const { return names_; }
  /// The largest, at least 32: sides of the input are multiples of it.
  int stride() const;
  /// The size with each side raised to a multiple of stride(); says so in a warning where that changes it.
  ImageSize fitting_size(const ImageSize& asked, const Log& log) const;

 private:
  Stream stream_;
  std::unique_ptr<DetectionModel> model_;
  std::unique_ptr<nn::ParamArena> arena_;
  std::shared_ptr<const std::vector<std::string>> names_;
};

/// One picture to look at, and what it is called.
struct PredictImage {
  std::filesystem::path path;
  std::shared_ptr<const Image> image;  // three channels
};

class BasePredictor : public HasCallbacks {
 public:
  virtual ~BasePredictor() = default;

  /// What a run works with.
  struct Input {
    LoadedModel& model;
    const Args& args;                  // of mode predict
    std::filesystem::path save_dir{};  // where pictures, labels and crops go; empty: nothing is written
    Log log{};
    std::stop_token stop{};  // ends the run after the batch it is in
  };
  /// Results of one image after the other; false ends the run.
  using Take = std::function<bool(Results&&)>;

  /// Predicts on files, args.batch at a time. A file that cannot be read is named in a warning and skipped. Throws
  /// DataError if none could be read. Results leave without their pictures, which are read again where needed.
  void run(const Input& input, const std::vector<std::filesystem::path>& files, const Take& take);
  /// Predicts on pictures in memory, all in one batch. Results keep their pictures.
  void run(const Input& input, const std::vector<PredictImage>& images, const Take& take);

  /// Of a batch on the device, before the forward pass.
  virtual void preprocess(Batch&) {}
  /// Of one image's results, before anything is written.
  virtual void postprocess(Results&) {}
  /// Called for every image. Writes what save, save_txt and save_crop ask for.
  virtual void write_results(const Results& results);

  // ---- during a run, for hooks and callbacks
  const Args& args() const { return input_->args; }
  const std::filesystem::path& save_dir() const { return input_->save_dir; }
  /// Of the batch in work, from on_predict_postprocess_end to on_predict_batch_end; with their pictures. May be
  /// changed.
  std::vector<Results>& results() { return results_; }

 protected:
  BasePredictor() = default;
  const Input& input() const { return *input_; }
  /// Boxes of a batch, one list an image, in pixels of the network's input, from decoded predictions [N,1,A,4+nc].
  virtual kernels::Detections detect(const TensorView& predictions);

 private:
  struct Named {  // a picture, and how its line on the console starts
    PredictImage picture;
    std::string title;
  };
  void start(const Input& input);
  std::vector<Named> read_batch(const std::vector<std::filesystem::path>& files, std::size_t& i,
                                std::size_t& unreadable);
  Batch batch_of(const std::vector<const Image*>& pictures);
  void run_batch(const std::vector<Named>& images);
  void fill_results(const std::vector<Named>& images, const TensorView& predictions, const Shape& network);
  void write_batch(const std::vector<Named>& images);
  bool hand_out(const Take& take, bool keep_pictures);
  void finish();
  std::string unique_stem(const std::filesystem::path& image);

  const Input* input_ = nullptr;
  ImageSize size_;
  DType activations_ = DType::kF32;
  std::int64_t seen_ = 0;
  Speed sum_;
  int batch_height_ = 0, batch_width_ = 0;
  std::vector<Results> results_;
  std::map<std::string, int> stems_;  // with the number that the next one of that name gets
};

}  // namespace boxcar
