// Measures a model on a split of a data set.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "boxcar/data/loader/loader.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/trainers/args/args.h"
#include "boxcar/trainers/callbacks/has_callbacks.h"
#include "boxcar/trainers/engine/options.h"
#include "boxcar/trainers/metrics/scale_boxes.h"
#include "boxcar/trainers/results/results.h"

namespace boxcar {

/// What a validation works with.
struct ValidationInput {
  Model& model;        // prepared, with values
  DataLoader& loader;  // of the split, not training
  const Args& args;
  std::shared_ptr<const std::vector<std::string>> names;  // of the classes
  std::filesystem::path save_dir;                         // for pictures and files; must exist if any are written
  std::filesystem::path image_list;  // the split as the data set names it, for COCO's category numbers
  Stream& stream;
  DType activations = DType::kF32;  // f32 or bf16
  bool training = false;            // within a run: losses are taken, no pictures, no class rows
  bool plots = false;
  int most_labels = 0;             // labels of the image that has most, over train and val
  Criterion* criterion = nullptr;  // whose items are averaged over the batches; null: no losses
  Log log{};
  Console console{};
  /// Told of every event too: a trainer's callbacks hear its validator.
  std::function<void(Event<BaseValidator>, BaseValidator&)> announce{};
};

class BaseValidator : public HasCallbacks {
 public:
  virtual ~BaseValidator() = default;

  /// Runs over the loader's images. Returns get_stats(), in training with the losses as val/... behind it.
  Metrics run(const ValidationInput& input);

  /// Called with the class names before the first image.
  virtual void init_metrics() {}
  /// Boxes of a batch from the model's outputs: [N,1,A,4+nc] decoded, in pixels of the network's input. The default
  /// is non-maximum suppression with the arguments conf (0.001), iou, max_det, agnostic_nms and single_cls.
  virtual kernels::Detections postprocess(const TensorView& predictions);
  /// One image: predictions in pixels of the original, in falling score order, and its labels. `truth.image` is empty.
  virtual void update_metrics(const Results& predicted, const Sample& truth) = 0;
  /// The numbers, once all images are in.
  virtual Metrics get_stats();
  /// Prints and writes what the run asks for after get_stats().
  virtual void finish() {}

  bool training() const { return input_ && input_->training; }
  /// Number of the batch in work, from 0; -1 before the first.
  int batch_index() const { return batch_index_; }
  bool plots() const { return input_ && input_->plots; }
  const Args& args() const { return input_->args; }
  /// Milliseconds an image: preprocess, inference, loss, postprocess.
  struct Times {
    double preprocess = 0, inference = 0, loss = 0, postprocess = 0;
  };
  const Times& speed() const { return speed_; }

 protected:
  BaseValidator() = default;
  const ValidationInput& input() const { return *input_; }
  /// Of the image that update_metrics() is called for: predictions and labels in pixels of the network's input.
  struct NetworkBoxes {
    std::vector<Box> predictions;
    std::vector<TruthBox> truths;
  };
  const NetworkBoxes& network_boxes() const { return network_boxes_; }
  /// Most boxes an image keeps: max_det, raised where images have more labels than its default.
  int max_det() const { return max_det_; }

 private:
  void announce(Event<BaseValidator> event);
  void run_batch(const HostBatch& batch, std::vector<double>& losses);
  void take_image(const HostBatch& batch, std::size_t image, std::span<const kernels::Detection> detections);
  void save_pictures(const HostBatch& batch, const kernels::Detections& detections);
  void raise_max_det();

  const ValidationInput* input_ = nullptr;
  int batch_index_ = -1;
  int max_det_ = 300;
  NetworkBoxes network_boxes_;
  Times speed_;
};

}  // namespace boxcar
