#include "boxcar/trainers/engine/base_predictor.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "boxcar/data/augment/letterbox.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/kernels/nms/nms.h"
#include "boxcar/kernels/render/render.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/parallel/parallel_for.h"
#include "boxcar/trainers/args/arithmetic.h"
#include "boxcar/trainers/engine/batches.h"
#include "boxcar/trainers/engine/convolution_plans.h"
#include "boxcar/trainers/metrics/scale_boxes.h"

namespace boxcar {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

bool of_one_size(std::span<const Image* const> images) {
  return std::ranges::all_of(images, [&](const Image* image) {
    return image->height == images.front()->height && image->width == images.front()->width;
  });
}

// Pictures as the network wants them: fitted into `size`, or into the smallest shape that holds them if all have one
// size and `rect` is on.
struct Letterboxes {
  Shape shape;
  std::vector<Image> resized;  // those that have not the right size
  std::vector<kernels::SourceImage> sources;
  std::vector<kernels::RenderPlan> plans;

  Letterboxes(int threads, std::span<const Image* const> images, const ImageSize& size, bool rect, int stride)
      : resized(images.size()), sources(images.size()), plans(images.size()) {
    const LetterboxOptions options = predict_letterbox(rect && of_one_size(images), stride);
    const auto fit = [&](std::size_t i) {
      const Image& image = *images[i];
      const ResizedSize own{image.height, image.width};
      const Letterbox box = letterbox_geometry(own, {size.height, size.width}, options);
      if (!(box.inner == own)) resized[i] = resize_bilinear(image, box.inner.height, box.inner.width);
      const Image& source = box.inner == own ? image : resized[i];
      sources[i] = {source.pixels.data(), source.height, source.width};
      plans[i] = letterbox_plan(box);
      for (int t = 0; t < plans[i].picture.tile_count; ++t) plans[i].picture.tiles[t].source = static_cast<int>(i);
    };
    parallel_for(threads, static_cast<std::int64_t>(images.size()), 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) fit(static_cast<std::size_t>(i));
    });
    shape = {static_cast<int>(images.size()), plans[0].height, plans[0].width, 3};
  }
};

int rounded_up(int side, int stride) { return (side + stride - 1) / stride * stride; }

std::ptrdiff_t file_count(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) return 0;
  return std::distance(std::filesystem::directory_iterator(folder), {});
}

// The files [first, first + count), decoded side by side; null, with the reason in `problems`, where one cannot be.
std::vector<std::shared_ptr<const Image>> decoded(int threads, const std::filesystem::path* first, std::size_t count,
                                                  std::vector<std::string>& problems) {
  std::vector<std::shared_ptr<const Image>> images(count);
  problems.assign(count, "");
  parallel_for(threads, static_cast<std::int64_t>(count), 1, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
      try {
        images[i] = std::make_shared<const Image>(decode_image(first[i]));
      } catch (const Error& error) {
        problems[i] = error.what();
      }
    }
  });
  return images;
}

}  // namespace

LoadedModel::LoadedModel(const Weights& weights, Device device, int threads)
    : LoadedModel(std::make_unique<DetectionModel>(weights.spec()), weights, device, threads) {}

LoadedModel::LoadedModel(std::unique_ptr<DetectionModel> model, const Weights& weights, Device device, int threads)
    : stream_(device, {threads}), model_(std::move(model)) {
  if (model_->spec().channels != 3) {
    fail<ModelError>("{}: the model reads images of {} channels; this version measures and predicts with 3",
                     weights.path().string(), model_->spec().channels);
  }
  model_->prepare(stream_);
  weights.load_all_into(*model_);
  names_ = std::make_shared<const std::vector<std::string>>(weights.names().empty() ? model_->spec().names
                                                                                    : weights.names());
  arena_ = std::make_unique<nn::ParamArena>(*model_, stream_, 0);
  model_->fuse(stream_);
}

int LoadedModel::stride() const { return std::max(32, std::ranges::max(model_->strides())); }

ImageSize LoadedModel::fitting_size(const ImageSize& asked, const Log& log) const {
  const ImageSize size{rounded_up(asked.height, stride()), rounded_up(asked.width, stride())};
  if (!(size == asked)) {
    log.warning("imgsz={}x{} is no multiple of the model's stride {}; {}x{} is used", asked.height, asked.width,
                stride(), size.height, size.width);
  }
  return size;
}

void BasePredictor::start(const Input& input) {
  input_ = &input;
  set_up_convolutions(input.model.stream(), input.args, input.log);
  activations_ = inference_type(input.args.quantize, bf16_of(input.model.stream().device()));
  size_ = input.model.fitting_size(input.args.imgsz, input.log);
  seen_ = 0;
  sum_ = {};
  stems_.clear();
  run_callbacks(events::on_predict_start, *this, input.log);
}

// The next files from `i` on that can be read, a batch at most.
std::vector<BasePredictor::Named> BasePredictor::read_batch(const std::vector<std::filesystem::path>& files,
                                                            std::size_t& i, std::size_t& unreadable) {
  Stream& stream = input_->model.stream();
  const ProfileScope stage(stream.profiler(), ScopeKind::kStage, "images");
  const auto wanted = static_cast<std::size_t>(args().batch.images);
  std::vector<Named> images;
  std::vector<std::string> problems;
  while (i < files.size() && images.size() < wanted) {
    const auto next =
        decoded(stream.threads(), &files[i], std::min(wanted - images.size(), files.size() - i), problems);
    for (std::size_t n = 0; n < next.size(); ++n, ++i) {
      if (next[n]) {
        images.push_back({{files[i], next[n]}, fmt::format("image {}/{} {}", i + 1, files.size(), files[i].string())});
      } else {
        ++unreadable;
        input_->log.warning("{}; the image is skipped", problems[n]);
      }
    }
  }
  return images;
}

void BasePredictor::run(const Input& input, const std::vector<std::filesystem::path>& files, const Take& take) {
  const ProfileScope stage(input.model.stream().profiler(), ScopeKind::kStage, "prediction");
  start(input);
  std::size_t unreadable = 0;
  for (std::size_t i = 0; i < files.size() && !input.stop.stop_requested();) {
    const std::vector<Named> images = read_batch(files, i, unreadable);
    if (images.empty()) continue;
    run_batch(images);
    if (!hand_out(take, false)) break;
  }
  if (unreadable == files.size()) fail<DataError>("none of the {} images could be read", files.size());
  finish();
}

void BasePredictor::run(const Input& input, const std::vector<PredictImage>& images, const Take& take) {
  if (images.empty()) fail<ArgumentError>("there are no images to predict on");
  std::vector<Named> named;
  for (const PredictImage& image : images) named.push_back({image, std::to_string(named.size())});
  const ProfileScope stage(input.model.stream().profiler(), ScopeKind::kStage, "prediction");
  start(input);
  run_batch(named);
  hand_out(take, true);
  finish();
}

// On the CPU the pictures are drawn as the network's floats at once.
Batch BasePredictor::batch_of(const std::vector<const Image*>& pictures) {
  Stream& stream = input_->model.stream();
  const Letterboxes boxes(stream.threads(), pictures, size_, args().rect, input_->model.stride());
  if (stream.device().is_cuda()) {
    Stream host(Device::cpu(), {stream.threads()});
    HostBatch drawn;
    drawn.images = Tensor::empty(host, boxes.shape, DType::kU8);
    kernels::render(host, {boxes.plans, boxes.sources, drawn.images});
    return to_device(stream, drawn);
  }
  Batch batch{Tensor::empty(stream, boxes.shape), Tensor::empty(stream, {1, 1, 0, 6})};
  kernels::render(stream, {boxes.plans, boxes.sources, batch.images});
  return batch;
}

void BasePredictor::run_batch(const std::vector<Named>& images) {
  run_callbacks(events::on_predict_batch_start, *this, input_->log);
  Stream& stream = input_->model.stream();
  std::vector<const Image*> pictures;
  for (const Named& image : images) pictures.push_back(image.picture.image.get());
  Speed speed;
  const double count = static_cast<double>(images.size());

  auto start = Clock::now();
  Batch batch = batch_of(pictures);
  preprocess(batch);
  stream.synchronize();
  speed.preprocess = milliseconds_since(start) / count;

  start = Clock::now();
  nn::Context context(stream, nn::Pass::kEvaluate, activations_);
  DetectionModel& model = input_->model.model();
  const nn::Value decoded = model.decode(context, model.forward(context, nn::Value(context, batch.images)));
  stream.synchronize();
  speed.inference = milliseconds_since(start) / count;

  start = Clock::now();
  fill_results(images, decoded.tensor(), batch.images.shape());
  speed.postprocess = milliseconds_since(start) / count;
  for (Results& results : results_) results.speed = speed;
  sum_.preprocess += speed.preprocess * count;
  sum_.inference += speed.inference * count;
  sum_.postprocess += speed.postprocess * count;
  run_callbacks(events::on_predict_postprocess_end, *this, input_->log);
  write_batch(images);
  run_callbacks(events::on_predict_batch_end, *this, input_->log);
}

void BasePredictor::fill_results(const std::vector<Named>& images, const TensorView& predictions,
                                 const Shape& network) {
  const kernels::Detections detections = detect(predictions);
  if (detections.size() != images.size()) {
    fail<Error>("detect() gave boxes for {} images, the batch has {}", detections.size(), images.size());
  }
  batch_height_ = network.h;
  batch_width_ = network.w;
  results_.clear();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const auto& [path, image] = images[i].picture;
    const PictureSize original{image->height, image->width};
    Results& results = results_.emplace_back(Results{.path = path,
                                                     .width = original.width,
                                                     .height = original.height,
                                                     .boxes = boxes_of(detections[i]),
                                                     .names = input_->model.names(),
                                                     .image = image});
    scale_boxes(results.boxes, letterbox_placement({network.h, network.w}, original), original);
    postprocess(results);
  }
}

void BasePredictor::write_batch(const std::vector<Named>& images) {
  for (std::size_t i = 0; i < results_.size(); ++i) {
    const Results& results = results_[i];
    ++seen_;
    if (args().verbose) {
      input_->log.info("{}: {}x{} {}{:.1f}ms", i < images.size() ? images[i].title : results.path.string(),
                       batch_height_, batch_width_, results.verbose(), results.speed.inference);
    }
    write_results(results);
  }
}

bool BasePredictor::hand_out(const Take& take, bool keep_pictures) {
  std::vector<Results> all = std::exchange(results_, {});
  for (Results& results : all) {
    if (!keep_pictures) results.image = nullptr;
    if (!take(std::move(results))) return false;
  }
  return true;
}

kernels::Detections BasePredictor::detect(const TensorView& predictions) {
  const Args& args = input_->args;
  kernels::NmsOptions options;
  options.conf = static_cast<float>(args.conf.value_or(0.25));
  options.iou = static_cast<float>(args.iou);
  options.agnostic = args.agnostic_nms;
  options.classes = args.class_filter().value_or(std::vector<int>{});
  options.max_det = args.max_det;
  return kernels::non_max_suppression(input_->model.stream(), predictions, options);
}

// Pictures of equal stems from different folders get a number: a, a-2, a-3.
std::string BasePredictor::unique_stem(const std::filesystem::path& image) {
  const std::string stem = image.stem().string();
  const auto [first, is_new] = stems_.try_emplace(stem, 2);
  if (is_new) return stem;
  std::string name;
  do name = fmt::format("{}-{}", stem, first->second++);
  while (!stems_.try_emplace(name, 2).second);
  return name;
}

void BasePredictor::write_results(const Results& results) {
  const Args& args = input_->args;
  const std::filesystem::path& folder = input_->save_dir;
  if (folder.empty()) return;
  const std::string stem = unique_stem(results.path);
  if (args.save) {
    PlotOptions options;
    options.labels = args.show_labels;
    options.conf = args.show_conf;
    options.boxes = args.show_boxes;
    options.line_width = args.line_width.value_or(0);
    write_image(folder / (stem + ".jpg"), results.plot(options));
  }
  if (args.save_txt) {
    const auto file = folder / "labels" / (stem + ".txt");
    std::filesystem::remove(file);
    results.save_txt(file, args.save_conf);
  }
  if (args.save_crop) results.save_crop(folder / "crops", stem);
}

void BasePredictor::finish() {
  const double n = static_cast<double>(std::max<std::int64_t>(seen_, 1));
  if (input_->args.verbose) {
    input_->log.info(
        "Speed: {:.1f}ms preprocess, {:.1f}ms inference, {:.1f}ms postprocess per image at shape "
        "({}, 3, {}, {})",
        sum_.preprocess / n, sum_.inference / n, sum_.postprocess / n,
        std::min<std::int64_t>(std::max(args().batch.images, 1), seen_), batch_height_, batch_width_);
  }
  if (args().save_txt && !save_dir().empty()) {
    const auto labels = save_dir() / "labels";
    input_->log.info("{} label files in {}", file_count(labels), labels.string());
  }
  if (!save_dir().empty()) input_->log.info("results saved to {}", save_dir().string());
  run_callbacks(events::on_predict_end, *this, input_->log);
}

}  // namespace boxcar
