// The training routine, without knowledge of the task: what happens when, and hooks for each part.
#pragma once

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "boxcar/data/dataset/data_config.h"
#include "boxcar/data/loader/loader.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/optim/ema.h"
#include "boxcar/nn/optim/optimizer.h"
#include "boxcar/nn/optim/schedule.h"
#include "boxcar/runtime/device/gpu_monitor.h"
#include "boxcar/trainers/args/args.h"
#include "boxcar/trainers/callbacks/has_callbacks.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"
#include "boxcar/trainers/checkpoint/weights.h"
#include "boxcar/trainers/engine/base_validator.h"
#include "boxcar/trainers/engine/batch_upload.h"
#include "boxcar/trainers/engine/convolution_plans.h"
#include "boxcar/trainers/engine/early_stopping.h"
#include "boxcar/trainers/engine/epoch_losses.h"
#include "boxcar/trainers/engine/options.h"
#include "boxcar/trainers/engine/profile_report.h"
#include "boxcar/trainers/engine/progress.h"
#include "boxcar/trainers/engine/results_csv.h"
#include "boxcar/trainers/engine/train_step.h"

namespace boxcar {

class DrySteps;

/// The constructor only checks arguments; train() makes the run folder, reads the data and does the rest, on the
/// calling thread, once per object. Exceptions of any hook or callback pass `teardown` and leave train() as they are.
class BaseTrainer : public HasCallbacks {
 public:
  explicit BaseTrainer(Overrides overrides = {}, Options options = {});
  BaseTrainer(const BaseTrainer&) = delete;
  BaseTrainer& operator=(const BaseTrainer&) = delete;
  virtual ~BaseTrainer();

  TrainResult train();

  // ---- hooks, in the order in which train() calls them
  /// Reads and checks the data set's YAML.
  virtual DataConfig get_dataset();
  /// The network; `weights` is null for a fresh start. Called once more where memory is planned (on a GPU, and for a
  /// batch that is to be chosen), for a network that is dropped again.
  virtual std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights* weights) = 0;
  /// Copies names and loss settings onto the model.
  virtual void set_model_attributes();
  /// The size of a batch where the argument leaves it open (batch=-1, batch=0.7); `images`: of the training set. The
  /// default plans steps (memory_plan.h): on a GPU the largest batch that takes no more than the share of its free
  /// memory, at most 1024 and all images; on the CPU 16, or fewer where these do not fit.
  virtual int auto_batch(int images);
  /// `images`: folders and list files of the split.
  virtual std::unique_ptr<Dataset> build_dataset(const std::vector<std::filesystem::path>& images, Mode mode,
                                                 int batch);
  virtual std::unique_ptr<DataLoader> get_dataloader(const std::vector<std::filesystem::path>& images, int batch,
                                                     Mode mode);
  virtual std::unique_ptr<BaseValidator> get_validator() = 0;
  virtual std::unique_ptr<nn::Optimizer> build_optimizer();
  /// Of a batch on the device, before the forward pass: the default applies multi_scale.
  virtual void preprocess_batch(Batch& batch);
  /// Norm, clip, step and average, and clear the gradients.
  virtual void optimizer_step();
  /// Measures the averaged model. Fitness is taken out of the result.
  virtual Metrics validate();
  /// Writes the checkpoints; false keeps on_model_save from being announced.
  virtual bool save_model();
  /// Pictures of the batch, of all labels (drawn beside the first batch, which it is not to delay), of results.csv.
  virtual void plot_training_samples(const HostBatch& batch, std::int64_t number);
  virtual void plot_training_labels();
  virtual void plot_metrics();
  /// After the last epoch: measures best.pt and strips the checkpoints.
  virtual Metrics final_eval();

  // ---- what callbacks and hooks may read
  const Args& args() const { return args_; }
  const Options& options() const { return options_; }
  const Log& log() const { return log_; }
  const DataConfig& data() const { return data_; }
  Model& model() const { return *model_; }
  nn::ParamArena& arena() const { return *arena_; }
  nn::Optimizer& optimizer() const { return *optimizer_; }
  Stream& stream() const { return *stream_; }
  const TrainStep& train_step() const { return *step_; }
  DataLoader& train_loader() const { return *train_loader_; }
  DataLoader& val_loader() const { return *val_loader_; }
  BaseValidator& validator() const { return *validator_; }
  /// From 0; at the last on_fit_epoch_end one more than the last epoch.
  int epoch() const { return epoch_; }
  int epochs() const { return epochs_; }
  int start_epoch() const { return start_epoch_; }
  int batch_size() const { return args_.batch.images; }
  int accumulate() const { return accumulate_; }
  /// Running means of the loss items over the epoch, in the order of loss_names(). On a GPU without the last batches,
  /// whose numbers have not arrived; Wait::yes waits for them.
  std::vector<double> losses(Wait wait = Wait::no) const;
  const std::vector<std::string>& loss_names() const { return loss_names_; }
  /// "lr/pg0", ... at the end of the last epoch.
  const NamedValues& learning_rates() const { return learning_rates_; }
  const std::filesystem::path& save_dir() const { return save_dir_; }
  const std::filesystem::path& last() const { return last_; }
  const std::filesystem::path& best() const { return best_; }
  const std::filesystem::path& csv() const { return csv_.file(); }
  const Metrics& metrics() const { return metrics_; }
  std::optional<double> fitness() const { return fitness_; }
  std::optional<double> best_fitness() const { return best_fitness_; }
  bool stop() const { return stop_; }

  // ---- from any thread; applied after the batch in work
  void request_stop();
  /// Writes last.pt at the end of the epoch even with save=False.
  void request_save();
  void request_pause(bool on);
  /// Replaces the schedule's learning rate of all groups from the next batch on; boosted groups keep their factor.
  void set_lr(double lr);

 protected:
  /// Resolves model=, pretrained= and resume= into a spec and weights.
  struct ModelSource {
    ModelSpec spec;
    std::optional<Weights> weights;
  };
  virtual ModelSource find_model();

 private:
  static constexpr int kMultiScaleStride = 32;

  // setup.cpp
  void setup();
  void prepare_run();
  void remove_unused_folder() noexcept;
  void open_run_folder();
  void setup_resume();
  void setup_model();
  void setup_freeze();
  void freeze(nn::Module& model, const nn::ParamArena& arena) const;
  void setup_data();
  void setup_optimizer();
  void setup_schedule();
  void setup_loss();
  void check_last_batch() const;
  AugmentOptions augment_options() const;
  // memory.cpp
  void choose_batch();
  /// Throws OutOfMemory if a step will not fit on the GPU.
  void check_memory();
  /// The error with what a step takes, part by part, and what to do.
  std::string explained(const OutOfMemory& error);
  std::string remedy(int largest, int batch) const;
  /// Steps of the run's network on a stream that computes nothing.
  std::unique_ptr<DrySteps> dry_steps(nn::OptimizerType optimizer);
  bool renders_on_device() const;
  std::size_t train_images() const;
  nn::OptimizerType planned_optimizer(int images) const;
  /// Images of the largest batch.
  int largest_step() const;
  /// Bytes that the run's pools hold on the device; with those that are free.
  std::size_t reserved_memory() const;
  std::size_t usable_memory() const;
  DataLoaderOptions loader_options(int batch, Mode mode) const;
  // loop
  void run_epochs();
  bool run_epoch();
  std::optional<HostBatch> next_batch();
  void train_one_batch(const HostBatch& host, std::int64_t number);
  void differentiate(const HostBatch& host);
  void finish_epoch();
  bool recover_from_nan();
  void apply_requests();
  void multi_scale(Batch& batch, int number) const;
  void draw_progress(const HostBatch& host);
  bool is_plotted(std::int64_t number) const;
  NamedValues empty_metrics() const;
  void reestimate_epochs();
  void announce_start();
  void log_rates();
  /// Until the end of the block, time is that of this stage in the profile.
  ProfileScope stage(const char* name) const { return {stream_->profiler(), ScopeKind::kStage, name}; }
  Metrics run_validator(DataLoader& loader, bool training, bool plots, DType activations);
  bool is_last_epoch() const { return epoch_ + 1 >= epochs_; }
  // checkpoints.cpp
  Checkpoint make_checkpoint() const;
  void restore(const Checkpoint& checkpoint);
  /// What the bits of a run's numbers depend on beside its arguments: "AVX-512", "cuda:0".
  std::string numerics() const;
  void write_weights(const std::filesystem::path& file, const NamedTensors& ema) const;

  Overrides overrides_;
  Options options_;
  Args args_;
  Log log_;
  bool ran_ = false;

  DataConfig data_;
  std::filesystem::path save_dir_, weights_dir_, last_, best_;
  bool new_folder_ = false;  // nothing was in it before this run
  ResultsCsv csv_{{}};
  ConvolutionPlansFile plans_;
  std::optional<Checkpoint> resume_;

  std::unique_ptr<Stream> stream_;
  std::unique_ptr<RunProfile> profile_;  // of the stream
  std::unique_ptr<GpuMonitor> monitor_;  // null on the CPU, and where NVML is not there
  DType activations_ = DType::kF32;
  std::unique_ptr<Model> model_;
  std::unique_ptr<nn::ParamArena> arena_;
  std::unique_ptr<Criterion> criterion_;
  std::vector<BoxLabel> train_labels_;
  std::vector<std::int64_t> class_counts_;
  int most_labels_ = 0;
  std::unique_ptr<Dataset> counted_;  // of training, for get_dataloader() to take
  std::unique_ptr<DataLoader> train_loader_, val_loader_;
  std::unique_ptr<BaseValidator> validator_;
  std::unique_ptr<nn::Optimizer> optimizer_;
  std::unique_ptr<BatchUpload> upload_;
  std::unique_ptr<TrainStep> step_;
  std::unique_ptr<EpochLosses> losses_;
  std::optional<nn::LrSchedule> schedule_;
  nn::GradAccumulation accumulation_;
  nn::EmaDecay ema_decay_;
  Tensor ema_;
  EarlyStopping stopper_;
  std::unique_ptr<ProgressBar> bar_;

  int epoch_ = 0, epochs_ = 0, start_epoch_ = 0, accumulate_ = 1, finished_epochs_ = 0;
  double loop_start_ = 0, epoch_start_ = 0, waited_before_ = 0;
  std::int64_t images_done_ = 0;
  std::vector<std::string> loss_names_;
  int nan_recoveries_ = 0;
  NamedValues learning_rates_;
  Metrics metrics_;
  std::optional<double> fitness_, best_fitness_;
  bool stop_ = false;
  End end_ = End::finished;

  std::atomic<bool> stop_requested_ = false, save_requested_ = false;
  std::mutex request_mutex_;
  std::condition_variable resumed_;
  bool paused_ = false;
  std::optional<double> requested_lr_;

  std::future<void> labels_picture_;  // being drawn; last, as it reads what stands above
};

}  // namespace boxcar
