#include "boxcar/trainers/engine/base_trainer.h"

#include <chrono>
#include <cmath>

#include "boxcar/data/augment/multi_scale.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/kernels/resample/rescale.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/engine/batches.h"
#include "boxcar/trainers/engine/console_lines.h"
#include "boxcar/trainers/plots/charts.h"
#include "boxcar/trainers/plots/labels_picture.h"

namespace boxcar {
namespace {

constexpr double kMaxGradientNorm = 10.0;
constexpr int kMaxNanRecoveries = 3;

double seconds_now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

BaseTrainer::BaseTrainer(Overrides overrides, Options options)
    : overrides_(std::move(overrides)), options_(std::move(options)), log_(options_.log) {
  overrides_.set("mode", "train");
  args_ = Args::from(overrides_, log_);
}

BaseTrainer::~BaseTrainer() = default;

TrainResult BaseTrainer::train() {
  if (ran_) fail<Error>("train() was called twice on one trainer; make a new object for a new run");
  ran_ = true;
  try {
    setup();
    run_epochs();
  } catch (const OutOfMemory& error) {
    const std::string text = explained(error);
    if (labels_picture_.valid()) labels_picture_.wait();
    if (finished_epochs_ == 0) remove_unused_folder();
    run_callbacks(events::teardown, *this, log_);
    throw OutOfMemory(text);
  } catch (...) {
    run_callbacks(events::teardown, *this, log_);
    throw;
  }
  run_callbacks(events::teardown, *this, log_);
  return {metrics_, best_, last_, finished_epochs_, end_};
}

void BaseTrainer::announce_start() {
  run_callbacks(events::on_train_start, *this, log_);
  log_.info("{} train and {} val images at imgsz={}, {} loader workers, {} threads, {} on {}", train_loader_->size(),
            val_loader_->size(), args_.imgsz.side(), loader_options(args_.batch.images, Mode::train).workers,
            stream_->threads(), name_of(activations_), numerics());
  if (monitor_) {
    if (const std::string version = monitor_->driver_version(); !version.empty()) {
      log_.info("{}: NVIDIA driver {}", stream_->device().name(), version);
    }
  }
  log_.info("logging results to {}", save_dir_.string());
  log_.info("starting training for {} epochs", epochs_);
}

void BaseTrainer::run_epochs() {
  announce_start();
  loop_start_ = epoch_start_ = seconds_now();
  epoch_ = start_epoch_;
  while (epoch_ < epochs_) {
    if (!run_epoch()) continue;  // the same epoch again
    ++finished_epochs_;
    if (stop_) break;
    ++epoch_;
  }
  if (epoch_ >= epochs_) epoch_ = epochs_ - 1;
  log_.info("{}", epochs_completed_line(finished_epochs_, seconds_now() - loop_start_));
  metrics_ = final_eval();
  ++epoch_;
  run_callbacks(events::on_fit_epoch_end, *this, log_);
  --epoch_;
  if (args_.plots) plot_metrics();
  profile_->report(save_dir_, log_);
  run_callbacks(events::on_train_end, *this, log_);
}

bool BaseTrainer::run_epoch() {
  const ProfileScope epoch = stage("epoch");
  run_callbacks(events::on_train_epoch_start, *this, log_);
  losses_->start();
  images_done_ = 0;
  waited_before_ = train_loader_->stats().wait_seconds;
  const double start = seconds_now();
  if (options_.console.write) {
    options_.console.write("\n" + train_header(loss_names_) + "\n");
    bar_ = std::make_unique<ProgressBar>(options_.console.write, train_loader_->batches(), start,
                                         ProgressBar::Options{options_.console.terminal, options_.console.columns});
  }
  train_loader_->start_epoch(epoch_, is_last_epoch());
  for (int i = 0; i < train_loader_->batches() && !stop_; ++i) {
    const std::optional<HostBatch> batch = next_batch();
    if (!batch) break;
    train_one_batch(*batch, std::int64_t{epoch_} * train_loader_->batches() + i);
  }
  const GpuReading gpu = monitor_ ? monitor_->read() : GpuReading{};  // while it works
  losses_->means(Wait::yes);
  if (bar_) bar_->finish(seconds_now());
  bar_.reset();
  if (const std::string text = gpu.text(); !text.empty()) log_.info("{}: {}", stream_->device().name(), text);
  step_->forget_graphs();  // what ends an epoch may change the network or its loss
  criterion_->on_epoch_end(epoch_, epochs_);
  log_rates();
  run_callbacks(events::on_train_epoch_end, *this, log_);
  if (is_last_epoch() || stop_) step_->release_memory();  // no training step follows
  if (args_.val || is_last_epoch() || stopper_.possible_stop() || stop_) {
    metrics_ = validate();
    fitness_ = metrics_.fitness;
    if (!best_fitness_ || *fitness_ > *best_fitness_) best_fitness_ = fitness_;
  }
  if (recover_from_nan()) return false;
  finish_epoch();
  return true;
}

std::optional<HostBatch> BaseTrainer::next_batch() {
  const ProfileScope images = stage("images");
  return train_loader_->next();
}

// Adds the batch's gradients to those in the arena.
void BaseTrainer::differentiate(const HostBatch& host) {
  Batch batch;
  {
    const ProfileScope scope = stage("batch");
    batch = (*upload_)(host);
    multi_scale(batch, host.number);
    preprocess_batch(batch);
  }
  losses_->send(host.number, step_->run(batch));
}

void BaseTrainer::train_one_batch(const HostBatch& host, std::int64_t number) {
  run_callbacks(events::on_train_batch_start, *this, log_);
  accumulate_ = schedule_->accumulation(number);
  optimizer_->set_rates(*schedule_, number, epoch_);
  {
    std::lock_guard lock(request_mutex_);
    if (requested_lr_) {
      for (nn::ParamGroup& group : optimizer_->groups()) group.lr = *requested_lr_ * (group.boosted ? 3 : 1);
    }
  }
  differentiate(host);
  if (accumulation_.due(number, accumulate_)) {
    const ProfileScope scope = stage("optimizer");
    optimizer_step();
  }
  images_done_ += host.shape.n;
  draw_progress(host);
  if (args_.plots && is_plotted(number)) {
    if (labels_picture_.valid()) labels_picture_.get();  // one drawing at a time; throws what went wrong
    Stream host_stream;
    plot_training_samples(with_pictures(host_stream, host), number);
  }
  run_callbacks(events::on_train_batch_end, *this, log_);
  apply_requests();
}

void BaseTrainer::multi_scale(Batch& batch, int number) const {
  if (args_.multi_scale <= 0) return;
  Random random = multi_scale_random(static_cast<std::uint64_t>(args_.seed), epoch_, number);
  const int size = draw_multi_scale_size(args_.imgsz.side(), args_.multi_scale, kMultiScaleStride, random);
  const Shape shape = batch.images.shape();
  const ResizedSize wanted = multi_scale_shape({shape.h, shape.w}, size, kMultiScaleStride);
  if (wanted.height == shape.h && wanted.width == shape.w) return;
  const Tensor resized = Tensor::empty(*stream_, {shape.n, wanted.height, wanted.width, shape.c});
  kernels::rescale_bilinear(*stream_, {batch.images, resized});
  batch.images = resized;
}

void BaseTrainer::preprocess_batch(Batch&) {}

void BaseTrainer::optimizer_step() {
  run_callbacks(events::optimizer_step, *this, log_);
  optimizer_->begin_step(
      *stream_, {.max_norm = kMaxGradientNorm, .average_weight = static_cast<float>(ema_decay_.next_weight())});
  step_->update([this] {
    const float* grads = arena_->grads_tensor().as();
    optimizer_->step(*stream_, {.values = arena_->values_tensor().as(),
                                .grads = grads,
                                .norm = optimizer_->measure(*stream_, grads),
                                .averages = ema_.as()});
  });
  run_callbacks(events::on_before_zero_grad, *this, log_);
  arena_->zero_grads();
  run_callbacks(events::on_params_update, *this, log_);
  if (args_.time && seconds_now() - loop_start_ > *args_.time * 3600) {
    stop_ = true;
    end_ = End::time_up;
  }
}

void BaseTrainer::draw_progress(const HostBatch& host) {
  if (!bar_) return;
  const double gpu_gigabytes = stream_->device().is_cuda() ? static_cast<double>(reserved_memory()) * 1e-9 : 0.0;
  bar_->describe(
      train_row({epoch_ + 1, epochs_, gpu_gigabytes, losses(), static_cast<int>(host.boxes.size()), host.shape.w}));
  bar_->update(host.number + 1, seconds_now(), images_done_, train_loader_->stats().wait_seconds - waited_before_);
}

bool BaseTrainer::is_plotted(std::int64_t number) const {
  constexpr std::int64_t kBatches = 3;
  const std::int64_t closed = std::int64_t{epochs_ - args_.close_mosaic} * train_loader_->batches();
  return number < kBatches || (args_.close_mosaic > 0 && number >= closed && number < closed + kBatches);
}

void BaseTrainer::apply_requests() {
  if (stop_requested_ || options_.stop.stop_requested()) {
    stop_ = true;
    end_ = End::stopped;
  }
  std::unique_lock lock(request_mutex_);
  resumed_.wait(lock, [&] { return !paused_ || stop_requested_; });
}

void BaseTrainer::log_rates() {
  learning_rates_.clear();
  int i = 0;
  for (const nn::ParamGroup& group : optimizer_->groups()) {
    learning_rates_.emplace_back("lr/pg" + std::to_string(i++), group.lr);
  }
}

Metrics BaseTrainer::run_validator(DataLoader& loader, bool training, bool plots, DType activations) {
  const auto& split = args_.split == "test" ? data_.test : (args_.split == "train" ? data_.train : data_.val);
  ValidationInput input{
      .model = *model_,
      .loader = loader,
      .args = args_,
      .names = std::make_shared<const std::vector<std::string>>(data_.names),
      .save_dir = save_dir_,
      .image_list = split.empty() ? std::filesystem::path() : split.front(),
      .stream = *stream_,
      .activations = activations,
      .training = training,
      .plots = plots,
      .most_labels = most_labels_,
      .criterion = training ? criterion_.get() : nullptr,
      .log = log_,
      .console = options_.console,
      .announce = [this](Event<BaseValidator> event, BaseValidator& v) { run_callbacks(event, v, log_); }};
  return validator_->run(input);
}

Metrics BaseTrainer::validate() {
  const Tensor raw = arena_->bind_values(ema_);
  try {
    Metrics metrics = run_validator(*val_loader_, true, false, activations_);
    arena_->bind_values(raw);
    // On a GPU the steps have memory of their own, and need what this took.
    if (stream_->device().is_cuda()) stream_->pool()->release_unused();
    return metrics;
  } catch (...) {
    arena_->bind_values(raw);
    throw;
  }
}

bool BaseTrainer::recover_from_nan() {
  const bool corrupt = !losses_->finite() || (fitness_ && !std::isfinite(*fitness_));
  if (!corrupt) {
    nan_recoveries_ = 0;
    return false;
  }
  if (epoch_ == start_epoch_ || !std::filesystem::exists(last_)) {
    log_.warning("epoch {}: the loss is not finite; look at the labels and the learning rate", epoch_ + 1);
    return false;
  }
  if (++nan_recoveries_ > kMaxNanRecoveries) {
    fail<Error>("the loss was not finite in {} attempts at epoch {}; use a smaller lr0", nan_recoveries_, epoch_ + 1);
  }
  log_.warning("epoch {}: the loss is not finite; the epoch runs again from {} (attempt {} of {})", epoch_ + 1,
               last_.string(), nan_recoveries_, kMaxNanRecoveries);
  restore(Checkpoint::read(last_));
  accumulation_.reset();
  return true;
}

void BaseTrainer::finish_epoch() {
  EpochRow row{epoch_ + 1, seconds_now() - loop_start_, {}, metrics_.values, learning_rates_};
  const std::vector<double> means = losses(Wait::yes);
  for (std::size_t i = 0; i < loss_names_.size(); ++i)
    row.train_losses.emplace_back("train/" + loss_names_[i], means[i]);
  if (row.metrics.empty()) row.metrics = empty_metrics();
  try {
    csv_.append(row);
  } catch (const IoError& error) {
    log_.warning("epoch {}: {}; training goes on", epoch_ + 1, error.what());
  }
  if (stopper_(epoch_ + 1, fitness_) && !stop_) {
    log_.info("no better fitness for {} epochs: training ends early, the best was epoch {}", args_.patience,
              stopper_.best_epoch());
    stop_ = true;
    end_ = End::early_stop;
  }
  const bool time_is_up = args_.time && seconds_now() - loop_start_ > *args_.time * 3600;
  if (time_is_up && !stop_) {
    stop_ = true;
    end_ = End::time_up;
  }
  const bool last = is_last_epoch() || stop_;
  if (is_last_epoch()) stop_ = true;
  if (args_.save || last || save_requested_.exchange(false)) {
    const ProfileScope scope = stage("checkpoint");
    if (save_model()) run_callbacks(events::on_model_save, *this, log_);
  }
  reestimate_epochs();
  run_callbacks(events::on_fit_epoch_end, *this, log_);
}

// Without validation the columns of results.csv are there all the same, as zeros.
NamedValues BaseTrainer::empty_metrics() const {
  NamedValues values;
  for (const char* name : {"metrics/precision(B)", "metrics/recall(B)", "metrics/mAP50(B)", "metrics/mAP50-95(B)"}) {
    values.emplace_back(name, 0.0);
  }
  for (const std::string& name : loss_names_) values.emplace_back("val/" + name, 0.0);
  return values;
}

void BaseTrainer::reestimate_epochs() {
  if (!args_.time) return;
  const double mean = (seconds_now() - loop_start_) / (epoch_ - start_epoch_ + 1);
  epochs_ = args_.epochs = std::max(epoch_ + 1, static_cast<int>(std::ceil(*args_.time * 3600 / mean)));
  setup_schedule();
  if (args_.close_mosaic > 0) train_loader_->close_mosaic_from(std::max(epoch_ + 1, epochs_ - args_.close_mosaic));
  if (is_last_epoch() && !stop_) {
    stop_ = true;
    end_ = End::time_up;
  }
}

void BaseTrainer::plot_training_samples(const HostBatch& batch, std::int64_t number) {
  write_image(save_dir_ / ("train_batch" + std::to_string(number) + ".jpg"),
              batch_picture(labelled_items(batch), data_.names));
}

void BaseTrainer::plot_training_labels() {
  labels_picture_ = std::async(std::launch::async, [this] {
    write_image(save_dir_ / "labels.jpg", labels_picture(train_labels_, data_.names, data_.nc));
  });
}

void BaseTrainer::plot_metrics() {
  const Drawn drawn = plot_results(csv_.file(), save_dir_ / "results.png");
  if (!drawn) log_.warning("results.png is left out: {}", drawn.reason);
}

std::vector<double> BaseTrainer::losses(Wait wait) const {
  return losses_ ? losses_->means(wait) : std::vector<double>();
}

void BaseTrainer::request_stop() {
  stop_requested_ = true;
  resumed_.notify_all();
}

void BaseTrainer::request_save() { save_requested_ = true; }

void BaseTrainer::request_pause(bool on) {
  {
    std::lock_guard lock(request_mutex_);
    paused_ = on;
  }
  resumed_.notify_all();
}

void BaseTrainer::set_lr(double lr) {
  std::lock_guard lock(request_mutex_);
  requested_lr_ = lr;
}

}  // namespace boxcar
