#include "boxcar/trainers/engine/base_validator.h"

#include <chrono>

#include "boxcar/data/image/encode.h"
#include "boxcar/kernels/nms/nms.h"
#include "boxcar/runtime/profile/profiler.h"
#include "boxcar/trainers/engine/batches.h"
#include "boxcar/trainers/engine/console_lines.h"
#include "boxcar/trainers/engine/progress.h"

namespace boxcar {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

double seconds_now() { return std::chrono::duration<double>(Clock::now().time_since_epoch()).count(); }

}  // namespace

void BaseValidator::announce(Event<BaseValidator> event) {
  run_callbacks(event, *this, input_->log);
  if (input_->announce) input_->announce(event, *this);
}

Metrics BaseValidator::get_stats() { return {}; }

void BaseValidator::raise_max_det() {
  constexpr int kDefault = 300;
  max_det_ = input_->args.max_det;
  if (input_->most_labels <= max_det_) return;
  const bool raise = max_det_ == kDefault;
  input_->log.warning("an image has {} labels, more than max_det={}: {}", input_->most_labels, max_det_,
                      raise ? "max_det is raised to that" : "some cannot be found");
  if (raise) max_det_ = input_->most_labels;
}

Metrics BaseValidator::run(const ValidationInput& input) {
  input_ = &input;
  const ProfileScope stage(input.stream.profiler(), ScopeKind::kStage, "validation");
  speed_ = {};
  raise_max_det();
  init_metrics();
  announce(events::on_val_start);
  std::vector<double> losses;
  DataLoader& loader = input.loader;
  loader.start_epoch(0);
  ProgressBar bar(input.console.write ? input.console.write : [](std::string_view) {}, loader.batches(), seconds_now(),
                  {input.console.terminal, input.console.columns});
  bar.describe(val_header());
  int count = 0;
  std::int64_t images = 0;
  while (count < loader.batches()) {
    announce(events::on_val_batch_start);
    const std::optional<HostBatch> batch = loader.next();
    if (!batch) break;
    batch_index_ = count++;
    run_batch(*batch, losses);
    images += batch->images.shape().n;
    bar.update(count, seconds_now(), images, loader.stats().wait_seconds);
    announce(events::on_val_batch_end);
  }
  const double n = static_cast<double>(std::max<std::int64_t>(images, 1));
  speed_ = {speed_.preprocess / n, speed_.inference / n, speed_.loss / n, speed_.postprocess / n};
  bar.finish(seconds_now());
  Metrics metrics = get_stats();
  finish();
  announce(events::on_val_end);
  if (input.training && input.criterion) {
    const std::vector<std::string> names = input.criterion->names();
    for (std::size_t i = 0; i < names.size() && i < losses.size(); ++i) {
      metrics.values.emplace_back("val/" + names[i], losses[i] / std::max(count, 1));
    }
  }
  return metrics;
}

void BaseValidator::run_batch(const HostBatch& batch, std::vector<double>& losses) {
  Stream& stream = input_->stream;
  auto start = Clock::now();
  const Batch device = to_device(stream, batch);
  stream.synchronize();
  speed_.preprocess += milliseconds_since(start);

  start = Clock::now();
  nn::Context context(stream, nn::Pass::kEvaluate, input_->activations);
  const Outputs outputs = input_->model.forward(context, nn::Value(context, device.images));
  const nn::Value decoded = dynamic_cast<DetectionModel&>(input_->model).decode(context, outputs);
  stream.synchronize();
  speed_.inference += milliseconds_since(start);

  if (input_->criterion && input_->training) {
    start = Clock::now();
    const Loss loss = (*input_->criterion)(context, outputs, device);
    losses.resize(loss.items.size());
    for (std::size_t i = 0; i < loss.items.size(); ++i) losses[i] += loss.items[i].to_host()[0];
    speed_.loss += milliseconds_since(start);
  }

  start = Clock::now();
  const kernels::Detections detections = postprocess(decoded.tensor());
  speed_.postprocess += milliseconds_since(start);
  for (std::size_t i = 0; i < batch.infos.size(); ++i) take_image(batch, i, detections[i]);
  if (input_->plots && batch_index_ < 3) save_pictures(batch, detections);
}

kernels::Detections BaseValidator::postprocess(const TensorView& predictions) {
  const Args& args = input_->args;
  kernels::NmsOptions options;
  options.conf = static_cast<float>(args.conf.value_or(0.001));
  options.iou = static_cast<float>(args.iou);
  options.multi_label = true;
  options.agnostic = args.single_cls || args.agnostic_nms;
  options.max_det = max_det_;
  return kernels::non_max_suppression(input_->stream, predictions, options);
}

void BaseValidator::take_image(const HostBatch& batch, std::size_t image,
                               std::span<const kernels::Detection> detections) {
  const ImageInfo& info = batch.infos[image];
  const Shape shape = batch.images.shape();
  network_boxes_ = {boxes_of(detections), {}};
  if (input_->args.single_cls) {
    for (Box& box : network_boxes_.predictions) box.cls = 0;
  }
  Sample truth{.path = info.path, .image = {}, .boxes = {}};
  const Placement placement{info.gain_h, info.gain_w, double(info.pad_x), double(info.pad_y)};
  const PictureSize original{info.original.height, info.original.width};
  std::vector<Box> truth_boxes;
  for (const auto& row : batch.boxes) {
    if (static_cast<std::size_t>(row[0]) != image) continue;
    const float cx = row[2] * shape.w, cy = row[3] * shape.h, w = row[4] * shape.w, h = row[5] * shape.h;
    const TruthBox box{cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, static_cast<int>(row[1])};
    network_boxes_.truths.push_back(box);
    truth_boxes.push_back({box.x1, box.y1, box.x2, box.y2, 1, box.cls});
  }
  scale_boxes(truth_boxes, placement, original);
  for (const Box& b : truth_boxes) {
    const float w = static_cast<float>(original.width), h = static_cast<float>(original.height);
    truth.boxes.push_back({b.cls, (b.x1 + b.x2) / 2 / w, (b.y1 + b.y2) / 2 / h, (b.x2 - b.x1) / w, (b.y2 - b.y1) / h});
  }
  Results results{.path = info.path,
                  .width = original.width,
                  .height = original.height,
                  .boxes = network_boxes_.predictions,
                  .names = input_->names};
  scale_boxes(results.boxes, placement, original);
  update_metrics(results, truth);
}

void BaseValidator::save_pictures(const HostBatch& batch, const kernels::Detections& detections) {
  const std::string base = "val_batch" + std::to_string(batch_index_);
  write_image(input_->save_dir / (base + "_labels.jpg"), batch_picture(labelled_items(batch), *input_->names));
  std::vector<BatchItem> items = batch_items(batch);
  for (std::size_t i = 0; i < items.size(); ++i) items[i].boxes = boxes_of(detections[i]);
  write_image(input_->save_dir / (base + "_pred.jpg"), batch_picture(items, *input_->names, {.scores = true}));
}

}  // namespace boxcar
