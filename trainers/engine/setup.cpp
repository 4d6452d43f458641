// What train() prepares before the first epoch.
#include <algorithm>
#include <cmath>

#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/nn/criterion/class_weights.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/cuda_queries.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/embedded.h"
#include "boxcar/trainers/args/arithmetic.h"
#include "boxcar/trainers/args/device_choice.h"
#include "boxcar/trainers/args/run_folder.h"
#include "boxcar/trainers/engine/base_trainer.h"
#include "boxcar/trainers/engine/builtin_files.h"

namespace boxcar {
namespace {

int rounded_up(int size, int stride) { return (size + stride - 1) / stride * stride; }

}  // namespace

// A run that fails before it began leaves no folder behind, unless somebody put something into it.
void BaseTrainer::remove_unused_folder() noexcept {
  namespace fs = std::filesystem;
  if (save_dir_.empty() || !new_folder_) return;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(save_dir_, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name != "args.yaml" && name != "weights" && name != "labels.jpg") return;
  }
  if (fs::is_empty(weights_dir_, ignored)) fs::remove_all(save_dir_, ignored);
}

void BaseTrainer::setup() {
  try {
    prepare_run();
  } catch (...) {
    if (labels_picture_.valid()) labels_picture_.wait();
    remove_unused_folder();
    throw;
  }
}

void BaseTrainer::prepare_run() {
  setup_resume();
  const Device device = chosen_device(args_.device);
  if (!args_.quantize.is_null()) {
    fail<ArgumentError>("quantize={} is for val and predict; training's arithmetic is set by amp",
                        args_.quantize.to_text());
  }
  activations_ = activations_of(args_.amp, bf16_of(device));
  const int threads = options_.threads > 0 ? options_.threads : args_.threads;
  stream_ = std::make_unique<Stream>(device, StreamOptions{threads});
  if (device.is_cuda()) monitor_ = GpuMonitor::open(cuda_pci_bus_id(device));
  set_up_convolutions(*stream_, args_, log_);
  profile_ = std::make_unique<RunProfile>(*stream_, args_.profile);
  data_ = get_dataset();
  if (args_.single_cls) {
    data_.names = {"item"};
    data_.nc = 1;
  }
  open_run_folder();
  run_callbacks(events::on_pretrain_routine_start, *this, log_);
  if (resume_) plans_.read(*stream_, log_);
  setup_model();
  choose_batch();
  setup_data();
  setup_loss();
  setup_optimizer();
  validator_ = get_validator();
  if (args_.plots && start_epoch_ == 0) plot_training_labels();
  stopper_ = EarlyStopping(args_.patience);
  check_memory();
  if (resume_) restore(*resume_);
  run_callbacks(events::on_pretrain_routine_end, *this, log_);
}

void BaseTrainer::setup_resume() {
  const bool from_file = args_.resume.is_text();
  if (!from_file && !(args_.resume.is_bool() && args_.resume.as_bool())) return;
  const std::filesystem::path file =
      from_file ? std::filesystem::path(args_.resume.as_text()) : std::filesystem::path(args_.model.value_or(""));
  if (file.empty()) {
    fail<ArgumentError>(
        "resume=True needs the checkpoint to go on from: model=RUN/weights/last.pt, or resume=RUN/weights/last.pt");
  }
  resume_ = Checkpoint::read(file);
  if (resume_->epoch < 0) {
    fail<ArgumentError>("{}: this run is finished; start a new one with model={}", file.string(), file.string());
  }
  Args stored = Args::from_yaml(resume_->args_yaml, file.string() + ": its arguments", log_);
  for (const auto& [name, value] : overrides_.items()) {
    if (name == "resume" || name == "model") continue;
    if (may_change_on_resume(name)) {
      stored.set(name, value);
    } else if (!(stored.get(name) == value)) {
      log_.warning("resume: {}={} is ignored, the run goes on with {}", name, value.to_text(),
                   stored.get(name).to_text());
    }
  }
  stored.resume = args_.resume;
  args_ = std::move(stored);
  epochs_ = args_.epochs;
  start_epoch_ = resume_->epoch + 1;
}

DataConfig BaseTrainer::get_dataset() {
  DataConfigOptions options;
  options.split = args_.split == "train" ? "" : args_.split;
  options.log = log_;
  return load_data_config(args_.data.value_or(""), options);
}

void BaseTrainer::open_run_folder() {
  if (resume_ && args_.save_dir) {
    save_dir_ = *args_.save_dir;
    if (!std::filesystem::is_directory(save_dir_)) {
      fail<IoError>("{}: the folder of the run to resume is gone", save_dir_.string());
    }
  } else {
    save_dir_ = std::filesystem::absolute(make_run_folder(args_)).lexically_normal();
    new_folder_ = std::filesystem::is_empty(save_dir_);
  }
  args_.save_dir = save_dir_.string();
  if (!resume_) args_.name = save_dir_.filename().string();
  weights_dir_ = save_dir_ / "weights";
  std::filesystem::create_directories(weights_dir_);
  remove_unfinished_files(weights_dir_);
  last_ = weights_dir_ / "last.pt";
  best_ = weights_dir_ / "best.pt";
  csv_ = ResultsCsv(save_dir_ / "results.csv");
  plans_ = ConvolutionPlansFile(save_dir_);
  if (resume_) {
    remove_unfinished_files(save_dir_);
    csv_.keep_until(start_epoch_);
  } else {
    csv_.clear();
    write_file_atomically(save_dir_ / "args.yaml", args_.to_yaml());
  }
  log_.info("{}", args_.to_line());
}

BaseTrainer::ModelSource BaseTrainer::find_model() {
  ModelSpecOptions options;
  options.nc = data_.nc;
  options.channels = data_.channels;
  options.names = data_.names;
  options.log = log_;
  if (resume_) {
    return {parse_model_spec(resume_->model_text, last_.string(), options),
            Weights(resume_->ema, resume_->model_text, resume_->names, last_)};
  }
  const std::filesystem::path model = args_.model.value_or("");
  const bool describes = model.extension() == ".yaml" || model.extension() == ".yml";
  ModelSource source;
  if (describes) {
    source.spec = load_model_spec(model.string(), options, builtin_model);
  } else {
    if (!std::filesystem::exists(model)) {
      fail<ArgumentError>(
          "model={} does not exist; to start from random weights give the model's description, model={}",
          model.string(), model.stem().string() + ".yaml");
    }
    Weights weights = Weights::read(model);
    weights.spec();  // refuses a file without a description
    source.spec = parse_model_spec(weights.model_text(), model.string(), options);
    if (!args_.pretrained.is_bool() || args_.pretrained.as_bool()) source.weights = std::move(weights);
  }
  if (args_.pretrained.is_text()) source.weights = Weights::read(args_.pretrained.as_text());
  return source;
}

void BaseTrainer::setup_model() {
  ModelSource source = find_model();
  // A resumed run goes on with its own rows, whatever the data set's file calls them now.
  if (source.weights) source.weights->set_remap_classes(args_.cls_remap && !resume_);
  model_ = get_model(source.spec, source.weights ? &*source.weights : nullptr);
  if (!model_) fail<ModelError>("get_model() returned no model");
  model_->prepare(*stream_);
  set_model_attributes();
  arena_ = std::make_unique<nn::ParamArena>(*model_, *stream_, static_cast<std::uint64_t>(args_.seed));
  setup_freeze();
  const auto* detection = dynamic_cast<const DetectionModel*>(model_.get());
  int stride = 32;
  if (detection) stride = std::max(stride, *std::max_element(detection->strides().begin(), detection->strides().end()));
  const int side = std::max(rounded_up(args_.imgsz.side(), stride), stride);
  if (side != args_.imgsz.side()) {
    log_.warning("imgsz={} is no multiple of the model's stride {}; {} is used", args_.imgsz.side(), stride, side);
  }
  args_.imgsz = {side, side};
}

void BaseTrainer::set_model_attributes() {
  auto* detection = dynamic_cast<DetectionModel*>(model_.get());
  if (detection) detection->set_names(data_.names);
}

void BaseTrainer::freeze(nn::Module& model, const nn::ParamArena& arena) const {
  const std::vector<std::string> items = args_.frozen_layers();
  const auto frozen = [&](const std::string& name) {
    return std::any_of(items.begin(), items.end(), [&](const std::string& item) {
      return (name + ".").find("model." + item + ".") != std::string::npos;
    });
  };
  for (const auto& entry : arena.entries()) {
    nn::Parameter& p = *entry.parameter;
    if (p.kind == nn::StateKind::kParameter) p.trainable = !nn::always_frozen(entry.name) && !frozen(entry.name);
  }
  model.for_each_module([&](const std::string& path, nn::Module& module) {
    if (auto* conv = dynamic_cast<nn::ConvBnAct*>(&module); conv && frozen(path)) conv->freeze_statistics(true);
  });
}

void BaseTrainer::setup_freeze() {
  freeze(*model_, *arena_);
  const bool any_trains = std::ranges::any_of(arena_->entries(), [](const nn::ParamArena::Entry& entry) {
    return entry.parameter->kind == nn::StateKind::kParameter && entry.parameter->trainable;
  });
  if (!any_trains)
    fail<ArgumentError>("freeze={} leaves nothing to train; freeze fewer layers", args_.freeze.to_text());
}

std::unique_ptr<Dataset> BaseTrainer::build_dataset(const std::vector<std::filesystem::path>& images, Mode mode, int) {
  YoloDatasetOptions options;
  options.num_classes = data_.nc;
  options.training = mode == Mode::train;
  options.fraction = args_.fraction_of(mode == Mode::train ? "train" : args_.split);
  options.single_cls = args_.single_cls;
  options.classes = args_.class_filter().value_or(std::vector<int>{});
  options.channels = data_.channels;
  options.name = mode == Mode::train ? "train" : args_.split;
  options.log = log_;
  auto dataset = std::make_unique<YoloDataset>(images, options);
  if (mode == Mode::train && args_.copy_paste > 0 && !dataset->has_polygons()) {
    log_.warning("copy_paste={} does nothing: it needs polygon labels, and those of the data set are boxes",
                 args_.copy_paste);
  }
  return dataset;
}

AugmentOptions BaseTrainer::augment_options() const {
  AugmentOptions a;
  a.mosaic = args_.mosaic;
  a.mixup = args_.mixup;
  a.cutmix = args_.cutmix;
  a.copy_paste = args_.copy_paste;
  a.copy_paste_mode = args_.copy_paste_mode == "mixup" ? CopyPasteMode::kMixup : CopyPasteMode::kFlip;
  a.degrees = args_.degrees;
  a.translate = args_.translate;
  const auto [low, high] = args_.scale_range();
  a.scale = {low, high};
  a.shear = args_.shear;
  a.perspective = args_.perspective;
  a.hsv_h = args_.hsv_h;
  a.hsv_s = args_.hsv_s;
  a.hsv_v = args_.hsv_v;
  a.flipud = args_.flipud;
  a.fliplr = args_.fliplr;
  a.bgr = args_.bgr;
  return a;
}

bool BaseTrainer::renders_on_device() const { return args_.gpu_render && stream_->device().is_cuda(); }

DataLoaderOptions BaseTrainer::loader_options(int batch, Mode mode) const {
  DataLoaderOptions o;
  o.training = mode == Mode::train;
  o.imgsz = args_.imgsz.side();
  o.batch = batch;
  o.rect = mode == Mode::val || args_.rect;
  o.seed = static_cast<std::uint64_t>(args_.seed);
  o.augment = augment_options();
  if (args_.close_mosaic > 0) o.close_mosaic_from = std::max(0, epochs_ - args_.close_mosaic);
  o.workers = std::min(args_.workers, std::max(1, available_threads()));
  if (args_.workers == 0) o.workers = 0;
  if (mode == Mode::val) o.prefetch = 2;  // of twice as many images each
  o.plans = mode == Mode::train && renders_on_device();
  o.cache = args_.cache_in_ram() ? ImageCache::kRam : ImageCache::kNone;
  return o;
}

std::unique_ptr<DataLoader> BaseTrainer::get_dataloader(const std::vector<std::filesystem::path>& images, int batch,
                                                        Mode mode) {
  std::shared_ptr<const Dataset> dataset =
      mode == Mode::train && counted_ ? std::move(counted_) : build_dataset(images, mode, batch);
  if (!dataset || dataset->size() == 0)
    fail<DataError>("the data set has no images to {}", mode == Mode::train ? "train on" : "validate on");
  for (std::size_t i = 0; i < dataset->size(); ++i) {
    const std::vector<BoxLabel> labels = dataset->labels(i);
    most_labels_ = std::max(most_labels_, static_cast<int>(labels.size()));
    if (mode != Mode::train) continue;
    train_labels_.insert(train_labels_.end(), labels.begin(), labels.end());
  }
  return std::make_unique<DataLoader>(dataset, loader_options(batch, mode), log_);
}

void BaseTrainer::setup_data() {
  epochs_ = args_.epochs;
  train_loader_ = get_dataloader(data_.train, args_.batch.images, Mode::train);
  const auto& split = args_.split == "test" ? data_.test : (args_.split == "train" ? data_.train : data_.val);
  val_loader_ = get_dataloader(split, 2 * args_.batch.images, Mode::val);
  check_last_batch();
}

void BaseTrainer::check_last_batch() const {
  const auto images = static_cast<int>(train_loader_->size());
  const int batch = std::min(args_.batch.images, images), left = images % batch;
  if ((left == 1 || batch == 1) && args_.imgsz.side() < 64) {
    fail<ArgumentError>(
        "imgsz={} gives one-pixel feature maps, and the last batch holds one image, which batch norm "
        "cannot train on; use imgsz=64 or more, or another batch",
        args_.imgsz.side());
  }
}

void BaseTrainer::setup_loss() {
  class_counts_.assign(static_cast<std::size_t>(data_.nc), 0);
  for (const BoxLabel& label : train_labels_) {
    if (label.cls >= 0 && label.cls < data_.nc) ++class_counts_[static_cast<std::size_t>(label.cls)];
  }
  if (auto* detection = dynamic_cast<DetectionModel*>(model_.get())) {
    const kernels::LossGains gains{static_cast<float>(args_.box), static_cast<float>(args_.cls),
                                   static_cast<float>(args_.dfl)};
    detection->set_loss(gains, nn::class_weights(class_counts_, args_.cls_pw));
  }
  criterion_ = model_->init_criterion();
  if (!criterion_) fail<ModelError>("init_criterion() returned no criterion");
  criterion_->attach(*model_);
  loss_names_ = criterion_->names();
  losses_ = std::make_unique<EpochLosses>(*stream_, loss_names_.size());
  upload_ = std::make_unique<BatchUpload>(*stream_, train_loader_->size());
  step_ = std::make_unique<TrainStep>(
      TrainStep::Parts{*stream_, *model_, *criterion_, *arena_, activations_, args_.cuda_graphs, log_});
}

std::unique_ptr<nn::Optimizer> BaseTrainer::build_optimizer() {
  nn::OptimizerType type = nn::parse_optimizer(args_.optimizer);
  double momentum = resume_ ? resume_->momentum.value_or(args_.momentum) : args_.momentum;
  if (type == nn::OptimizerType::kAuto) {
    const auto images = static_cast<std::int64_t>(train_loader_->size());
    const nn::AutoOptimizer chosen =
        nn::choose_optimizer(nn::auto_iterations(images, args_.batch.images, args_.nbs, epochs_), data_.nc);
    type = chosen.type;
    momentum = chosen.momentum;
    args_.optimizer = std::string(nn::name_of(type));
    args_.lr0 = chosen.lr;
    args_.warmup_bias_lr = chosen.warmup_bias_lr;
    log_.info("optimizer=auto: {} with lr0={}, momentum={} (the argument lr0 is not used)", args_.optimizer, args_.lr0,
              momentum);
  }
  nn::OptimizerSettings settings{type, args_.lr0, momentum,
                                 nn::scaled_weight_decay(args_.weight_decay, args_.batch.images, args_.nbs), ""};
  model_->for_each_module([&](const std::string& path, nn::Module& module) {
    if (dynamic_cast<nn::Detect*>(&module)) settings.head = path + ".";
  });
  return std::make_unique<nn::Optimizer>(*stream_, settings, nn::optim_params(*arena_), arena_->parameter_count(),
                                         static_cast<std::int64_t>(arena_->values().size()));
}

void BaseTrainer::setup_optimizer() {
  optimizer_ = build_optimizer();
  if (!optimizer_) fail<Error>("build_optimizer() returned no optimizer");
  if (optimizer_->average_count() != static_cast<std::int64_t>(arena_->values().size())) {
    fail<Error>(
        "build_optimizer() made an optimizer that averages {} values; arena().values() has {}, which it must get",
        optimizer_->average_count(), arena_->values().size());
  }
  setup_schedule();
  ema_ = arena_->values_tensor().clone(*stream_);
  arena_->zero_grads();
}

void BaseTrainer::setup_schedule() {
  schedule_.emplace(nn::ScheduleOptions{.epochs = epochs_,
                                        .batches_per_epoch = train_loader_->batches(),
                                        .batch = args_.batch.images,
                                        .nbs = args_.nbs,
                                        .lrf = args_.lrf,
                                        .cosine = args_.cos_lr,
                                        .warmup_epochs = args_.warmup_epochs,
                                        .warmup_bias_lr = args_.warmup_bias_lr,
                                        .warmup_momentum = args_.warmup_momentum,
                                        .momentum = args_.momentum,
                                        .cap_accumulation = !args_.time.has_value()});
  accumulate_ = nn::nominal_accumulation(args_.batch.images, args_.nbs);
  if (!args_.time) accumulate_ = std::min(accumulate_, epochs_ * train_loader_->batches());
}

}  // namespace boxcar
