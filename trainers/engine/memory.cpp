// How many images fit on the device, and what is said where they do not.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "boxcar/data/augment/multi_scale.h"
#include "boxcar/nn/model/memory_plan.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/device_memory.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/engine/base_trainer.h"

namespace boxcar {
namespace {

constexpr int kUsualBatch = 16;    // the most on a CPU, which gains nothing by more
constexpr int kMostImages = 1024;  // of a batch that is chosen
constexpr std::size_t kCannot = std::numeric_limits<std::size_t>::max();

// What was said when the network was made is not said again.
class Quiet {
 public:
  explicit Quiet(Log& log) : log_(log), kept_(std::exchange(log, Log())) {}
  ~Quiet() { log_ = std::move(kept_); }
  Quiet(const Quiet&) = delete;
  Quiet& operator=(const Quiet&) = delete;

 private:
  Log& log_;
  Log kept_;
};

std::size_t mebibytes(std::size_t bytes) { return bytes >> 20; }

// Of a step of so many images; as many as there are numbers where not even addresses are left for it.
std::size_t planned_bytes(DrySteps& steps, int images) {
  try {
    return memory_plan(steps, images).total();
  } catch (const OutOfMemory&) {
    return kCannot;
  }
}

}  // namespace

std::size_t BaseTrainer::reserved_memory() const {
  std::size_t bytes = stream_->pool()->stats().reserved_bytes;
  if (step_ && &step_->memory() != stream_->pool().get()) bytes += step_->memory().stats().reserved_bytes;
  return bytes;
}

std::size_t BaseTrainer::usable_memory() const { return device_memory(stream_->device()).free + reserved_memory(); }

std::unique_ptr<DrySteps> BaseTrainer::dry_steps(nn::OptimizerType optimizer) {
  const Quiet quiet(log_);
  ModelSource source = find_model();
  if (source.weights) source.weights->set_remap_classes(args_.cls_remap && !resume_);
  DrySteps::Setup setup;
  setup.channels = data_.channels;
  setup.imgsz = most_multi_scale_size(args_.imgsz.side(), args_.multi_scale, kMultiScaleStride);
  setup.activations = activations_;
  setup.optimizer.type = optimizer;
  if (renders_on_device()) setup.kept_image_bytes = BatchUpload::kept_bytes(train_images(), args_.imgsz.side());
  setup.freeze = [this](Model& model, const nn::ParamArena& arena) { freeze(model, arena); };
  return std::make_unique<DrySteps>(get_model(source.spec, source.weights ? &*source.weights : nullptr), setup);
}

std::size_t BaseTrainer::train_images() const {
  if (train_loader_) return train_loader_->size();
  return counted_ ? counted_->size() : 0;
}

// optimizer=auto is settled by the number of batches, and that by the batch: the nominal one stands for it.
nn::OptimizerType BaseTrainer::planned_optimizer(int images) const {
  if (optimizer_) return optimizer_->type();
  const nn::OptimizerType type = nn::parse_optimizer(args_.optimizer);
  if (type != nn::OptimizerType::kAuto) return type;
  return nn::choose_optimizer(nn::auto_iterations(images, args_.nbs, args_.nbs, args_.epochs), data_.nc).type;
}

void BaseTrainer::choose_batch() {
  if (!args_.batch.is_automatic()) return;
  counted_ = build_dataset(data_.train, Mode::train, kUsualBatch);
  const int batch = auto_batch(counted_ ? static_cast<int>(std::max<std::size_t>(counted_->size(), 1)) : 1);
  if (batch < 1) fail<Error>("auto_batch() returned {}; a batch has at least one image", batch);
  args_.batch = {batch, 0};
  if (!resume_) write_file_atomically(save_dir_ / "args.yaml", args_.to_yaml());
}

int BaseTrainer::auto_batch(int images) {
  const Device device = stream_->device();
  const std::size_t usable = usable_memory();
  const auto bytes = static_cast<std::size_t>(static_cast<double>(usable) * args_.batch.memory_share());
  const std::unique_ptr<DrySteps> steps = dry_steps(planned_optimizer(images));
  const int most = device.is_cuda() ? std::min(images, kMostImages) : kUsualBatch;
  const int batch = largest_batch([&](int n) { return planned_bytes(*steps, n); }, bytes, most);
  if (batch == 0) {
    fail<OutOfMemory>("batch={} leaves no room on {} for a step of a single image", args_.get("batch").to_text(),
                      device.name());
  }
  const bool are_all = device.is_cuda() && batch == images;
  log_.info("batch={}: batch={} is chosen{}; a step takes {} of the {} MiB that are {:.0f}% of what {} has free",
            args_.get("batch").to_text(), batch, are_all ? ", all images there are" : "",
            mebibytes(planned_bytes(*steps, batch)), mebibytes(bytes), 100 * args_.batch.memory_share(), device.name());
  return batch;
}

// A network that cannot be planned, because it reads its own numbers, is simply tried.
void BaseTrainer::check_memory() {
  if (!stream_->device().is_cuda()) return;
  std::size_t needed = 0;
  try {
    needed = planned_bytes(*dry_steps(planned_optimizer(1)), largest_step());
  } catch (const Error&) {
    return;
  }
  if (needed <= usable_memory()) return;
  fail<OutOfMemory>("out of memory on {}: a training step does not fit", stream_->device().name());
}

int BaseTrainer::largest_step() const {
  const std::size_t images = train_loader_ ? train_loader_->size() : static_cast<std::size_t>(args_.batch.images);
  return std::max(1, std::min(args_.batch.images, static_cast<int>(std::min<std::size_t>(images, 1 << 30))));
}

std::string BaseTrainer::explained(const OutOfMemory& error) {
  std::string text = error.what();
  if (!stream_) return text;
  try {
    const DeviceMemory memory = device_memory(stream_->device());
    text += fmt::format("\n{}: {} of {} MiB are free, and {} are this run's", stream_->device().name(),
                        mebibytes(memory.free), mebibytes(memory.total), mebibytes(reserved_memory()));
    const int batch = largest_step();
    const std::unique_ptr<DrySteps> steps = dry_steps(planned_optimizer(batch));
    const int side = steps->setup().imgsz;
    text += fmt::format("\nplanned for a step of {} images of {} x {} in {}, MiB:\n{}", batch, side, side,
                        name_of(activations_), memory_rows(memory_plan(*steps, batch)));
    text += remedy(largest_batch([&](int n) { return planned_bytes(*steps, n); }, usable_memory(), batch), batch);
  } catch (const Error&) {  // too early, or a network that cannot be planned: there is no more to say
  }
  return text;
}

std::string BaseTrainer::remedy(int largest, int batch) const {
  if (largest == 0) return "not even one image fits: use a smaller imgsz or a smaller model";
  if (args_.batch.is_automatic()) return "a single image fits, with no room to spare: use batch=1";
  if (largest < batch) {
    return fmt::format(
        "the largest batch that fits is {}: use batch={}, a smaller imgsz, or batch=-1, which leaves room", largest,
        largest);
  }
  return "this alone would fit, so there are other programs on the device, or validation needs more: use a smaller "
         "batch";
}

}  // namespace boxcar
