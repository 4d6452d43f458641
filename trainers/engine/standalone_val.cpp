#include "boxcar/trainers/engine/standalone_val.h"

#include <algorithm>

#include "boxcar/data/dataset/data_config.h"
#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/arithmetic.h"
#include "boxcar/trainers/args/run_folder.h"
#include "boxcar/trainers/engine/convolution_plans.h"
#include "boxcar/trainers/engine/profile_report.h"

namespace boxcar {
namespace {

DataConfig data_of(const Args& args, const Log& log) {
  if (!args.data) {
    fail<ArgumentError>("val needs data=: the weights do not say which data set they were trained on, or it is gone");
  }
  DataConfigOptions options;
  options.split = args.split;
  options.log = log;
  return load_data_config(*args.data, options);
}

const std::vector<std::filesystem::path>& split_of(const DataConfig& data, const std::string& split) {
  if (split == "train") return data.train;
  return split == "test" ? data.test : data.val;
}

}  // namespace

StandaloneResult validate_model(BaseValidator& validator, LoadedModel& model, Args args, const Options& options) {
  const Log log(options.log);
  const DType activations = inference_type(args.quantize, bf16_of(model.stream().device()));
  args.imgsz = model.fitting_size(args.imgsz, log);
  set_up_convolutions(model.stream(), args, log);
  DataConfig data = data_of(args, log);
  if (args.single_cls) data.names = {"item"};
  const int classes = model.model().head().nc();
  if (static_cast<int>(data.names.size()) != classes) {
    fail<DataError>("the model knows {} classes, the data set {} has {}", classes, data.yaml.string(),
                    data.names.size());
  }

  YoloDatasetOptions dataset_options;
  dataset_options.num_classes = data.nc;
  dataset_options.fraction = args.fraction_of(args.split);
  dataset_options.single_cls = args.single_cls;
  dataset_options.classes = args.class_filter().value_or(std::vector<int>{});
  dataset_options.channels = data.channels;
  dataset_options.name = args.split;
  dataset_options.log = log;
  const auto dataset = std::make_shared<const YoloDataset>(split_of(data, args.split), dataset_options);
  DataLoaderOptions loader_options;
  loader_options.training = false;
  loader_options.imgsz = args.imgsz.side();
  loader_options.batch = args.batch.images;
  loader_options.rect = args.rect;
  loader_options.stride = model.stride();
  loader_options.workers = std::min(args.workers, available_threads());
  loader_options.cache = args.cache_in_ram() ? ImageCache::kRam : ImageCache::kNone;
  DataLoader loader(dataset, loader_options, log);

  int most_labels = 0;
  for (std::size_t i = 0; i < dataset->size(); ++i) {
    most_labels = std::max(most_labels, static_cast<int>(dataset->labels(i).size()));
  }
  const std::filesystem::path folder = std::filesystem::absolute(make_run_folder(args)).lexically_normal();
  args.save_dir = folder.string();
  ValidationInput input{.model = model.model(),
                        .loader = loader,
                        .args = args,
                        .names = std::make_shared<const std::vector<std::string>>(data.names),
                        .save_dir = folder,
                        .image_list = split_of(data, args.split).front(),
                        .stream = model.stream(),
                        .activations = activations,
                        .training = false,
                        .plots = args.plots,
                        .most_labels = most_labels,
                        .log = log,
                        .console = options.console};
  const RunProfile profile(model.stream(), args.profile);
  StandaloneResult result{validator.run(input), folder};
  profile.report(folder, log);
  log.info("results saved to {}", folder.string());
  return result;
}

}  // namespace boxcar
