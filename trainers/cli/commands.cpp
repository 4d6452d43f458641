#include "boxcar/trainers/cli/commands.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "boxcar/data/convert/coco.h"
#include "boxcar/data/convert/shapes.h"
#include "boxcar/data/convert/voc.h"
#include "boxcar/data/dataset/check.h"
#include "boxcar/kernels/common/instruction_set.h"
#include "boxcar/kernels/vendor/libraries.h"
#include "boxcar/nn/model/memory_plan.h"
#include "boxcar/nn/model/model_info.h"
#include "boxcar/nn/model/step_traffic.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/trainers/args/arithmetic.h"
#include "boxcar/trainers/args/command_line.h"
#include "boxcar/trainers/checkpoint/weights.h"
#include "boxcar/trainers/engine/batch_upload.h"
#include "boxcar/trainers/engine/builtin_files.h"
#include "boxcar/trainers/facade/yolo.h"

namespace boxcar {
namespace {

using Values = std::map<std::string, Setting>;

std::string text_of(const Values& values, const std::string& key) {
  const auto found = values.find(key);
  return found == values.end() ? std::string() : found->second.to_text();
}

int count_of(const Values& values, const std::string& key, int otherwise) {
  const auto found = values.find(key);
  return found == values.end() ? otherwise : static_cast<int>(*found->second.whole());
}

bool is_description(const std::filesystem::path& file) {
  return file.extension() == ".yaml" || file.extension() == ".yml";
}

int imgsz_of(const Values& values) {
  const int imgsz = count_of(values, "imgsz", 640);
  if (imgsz < 32 || imgsz % 32 != 0) fail<ArgumentError>("imgsz={} must be a multiple of 32", imgsz);
  return imgsz;
}

ModelSpec spec_of(const Values& values) {
  const std::filesystem::path file = text_of(values, "model");
  return is_description(file) ? load_model_spec(file.string(), {}, builtin_model) : Weights::read(file).spec();
}

void check(const Values& values, const Log& log) {
  DataConfigOptions options;
  options.log = log;
  const DataReport report = check_data(load_data_config(text_of(values, "data"), options));
  log.info("{}", report.summary());
  for (const SplitReport& split : report.splits) {
    for (const ScanProblem& problem : split.problems) log.info("{}", problem.text);
  }
  for (const SameImages& same : report.same) {
    log.info("the same picture{}: {} and {} more", same.in_several_splits ? " in several splits" : "",
             same.files.front().string(), same.files.size() - 1);
  }
  log.info("nothing was changed");
}

void report_conversion(const ConvertReport& report, const Log& log) {
  for (const std::string& problem : report.problems) log.warning("{}", problem);
  log.info("{} images, {} boxes left out for having no area, {} cut to their image, {} marked difficult left out",
           report.images, report.empty_boxes, report.clipped_boxes, report.difficult);
  for (std::size_t i = 0; i < report.names.size(); ++i) log.info("{}: {} objects", report.names[i], report.objects[i]);
}

// source/annotations/{train,val,test} beside source/images/{train,val,test}, or VOC's own Annotations,
// JPEGImages and ImageSets/Main.
std::vector<VocSplit> voc_splits(const std::filesystem::path& source) {
  std::vector<VocSplit> splits;
  for (const char* name : {"train", "val", "test"}) {
    const auto list = source / "ImageSets" / "Main" / (std::string(name) + ".txt");
    if (std::filesystem::exists(list)) {
      splits.push_back({name, source / "Annotations", source / "JPEGImages", list});
    } else if (std::filesystem::is_directory(source / "annotations" / name)) {
      splits.push_back({name, source / "annotations" / name, source / "images" / name});
    }
  }
  if (splits.empty()) {
    fail<DataError>(
        "{}: neither ImageSets/Main/train.txt with Annotations and JPEGImages (Pascal VOC) nor "
        "annotations/train with images/train is there",
        source.string());
  }
  return splits;
}

void convert(const Values& values, const Log& log) {
  const std::string format = values.contains("format") ? text_of(values, "format") : "voc";
  const std::filesystem::path source = text_of(values, "source"), target = text_of(values, "target");
  if (format == "voc") {
    report_conversion(convert_voc(voc_splits(source), target), log);
  } else if (format == "coco") {
    const CocoReport report = convert_coco({source}, target);
    log.info("{} images, {} label files, {} objects; {} crowds, {} boxes without area and {} repeats left out",
             report.images, report.label_files, report.objects, report.crowd, report.empty_boxes, report.repeated);
  } else {
    fail<ArgumentError>("format='{}' is not known; it may be voc or coco", format);
  }
  log.info("{} written", target.string());
}

void shapes(const Values& values, const Log& log) {
  ShapesOptions options;
  options.images = count_of(values, "images", options.images);
  options.imgsz = count_of(values, "imgsz", options.imgsz);
  options.seed = static_cast<std::uint64_t>(count_of(values, "seed", 0));
  const std::filesystem::path target = text_of(values, "target");
  const ShapesReport report = draw_shapes_dataset(target, options);
  log.info("{} training and {} validation images with {} objects of {} classes: {}", report.train, report.val,
           report.objects, report.names.size(), (target / "data.yaml").string());
}

// The value of the first line of a file that begins with `key` and holds `mark` after it; empty without one.
std::string value_in(const char* file, std::string_view key, char mark) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    const std::size_t at = line.find(mark);
    if (!line.starts_with(key) || at == std::string::npos) continue;
    const std::size_t begin = line.find_first_not_of(" \t\"", at + 1);
    if (begin == std::string::npos) return {};
    return line.substr(begin, line.find_last_not_of(" \t\"") - begin + 1);
  }
  return {};
}

std::string system_name() {
  utsname kernel{};
  const bool known = uname(&kernel) == 0;
  const std::string name = value_in("/etc/os-release", "PRETTY_NAME", '=');
  return fmt::format("{}{}", name.empty() ? "" : name + ", ",
                     known ? fmt::format("{} {} {}", kernel.sysname, kernel.release, kernel.machine) : "unknown");
}

std::string processor_name() {
  const std::string name = value_in("/proc/cpuinfo", "model name", ':');
  return name.empty() ? "of unknown name" : name;
}

std::string cuda_version(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

std::string cuda_text(const CudaReport& report) {
  if (cuda_is_emulated()) {
    return fmt::format("CUDA: emulated on the CPU\nGPU: {} emulated; device=0 uses the first (a preview)\n",
                       cuda_device_count());
  }
  if (report.toolkit == 0) return "CUDA: not in this program\nGPU: none used; everything runs on the CPU\n";
  std::string text =
      fmt::format("CUDA: {} in this program, {}\n", cuda_version(report.toolkit),
                  report.driver > 0 ? "the driver knows " + cuda_version(report.driver) : "there is no NVIDIA driver");
  for (std::size_t i = 0; i < report.cards.size(); ++i) text += fmt::format("GPU {}: {}\n", i, report.cards[i]);
  if (report.cards.empty()) text += "GPU: none found; everything runs on the CPU\n";
  return text;
}

std::string_view arithmetic_text() {
  switch (bf16_of(Device::cpu())) {
    case Bf16::kFaster:
      return "f32 and bf16";
    case Bf16::kSlower:
      return "f32 and (slower) bf16";
    case Bf16::kNone:
      break;
  }
  return "f32";
}

}  // namespace

std::string checks_text() {
  const double pages = static_cast<double>(sysconf(_SC_PHYS_PAGES)), page = static_cast<double>(sysconf(_SC_PAGESIZE));
  std::string text = fmt::format("boxcar {}\nOS: {}\nCPU: {}, {} threads, {}, {} arithmetic\nmemory: {:.1f} GiB\n",
                                 version_text(), system_name(), processor_name(), available_threads(),
                                 kernels::cpu_instruction_set(), arithmetic_text(), pages * page / (1 << 30));
  text += cuda_text(cuda_report());
  for (const kernels::LibraryVersion& library : kernels::library_versions()) {
    text += fmt::format("{}: {}\n", library.name, library.version.empty() ? "not in this program" : library.version);
  }
  return text;
}

std::string info_text(const Values& values) {
  const int imgsz = imgsz_of(values);
  const ModelSpec spec = spec_of(values);
  if (values.contains("traffic") && values.at("traffic").as_bool()) {
    return traffic_table(step_traffic(spec, imgsz), imgsz);
  }
  DetectionModel model(spec);
  Stream stream;
  return model_table(spec, model_info(model, stream, imgsz), imgsz);
}

std::string plan_text(const Values& values) {
  MemoryPlanOptions options{.imgsz = imgsz_of(values), .batch = count_of(values, "batch", 16)};
  if (options.batch < 1) fail<ArgumentError>("batch={} must be at least 1", options.batch);
  if (values.contains("optimizer")) options.optimizer = nn::parse_optimizer(text_of(values, "optimizer"));
  if (options.optimizer == nn::OptimizerType::kAuto) {
    fail<ArgumentError>("optimizer=auto depends on the data set; name the optimizer, for example SGD");
  }
  if (values.contains("amp") && !values.at("amp").as_bool()) options.activations = DType::kF32;
  options.kept_image_bytes = BatchUpload::kept_bytes(std::numeric_limits<std::size_t>::max(), options.imgsz);
  return memory_table(memory_plan(spec_of(values), options), text_of(values, "model"), options);
}

void run_data_command(const std::string& word, const Values& values, const Options& options) {
  const Log log(options.log);
  if (word == "check") {
    check(values, log);
  } else if (word == "convert") {
    convert(values, log);
  } else {
    shapes(values, log);
  }
}

int run_val(const Args& args, const Overrides& overrides, const Options& options) {
  if (!args.model) fail<ArgumentError>("val needs model=, for example model=runs/detect/train/weights/best.pt");
  YOLO(*args.model, options).val(overrides);
  return 0;
}

int run_predict(const Args& args, const Overrides& overrides, const Options& options) {
  if (!args.model) fail<ArgumentError>("predict needs model=, for example model=runs/detect/train/weights/best.pt");
  if (!args.source) fail<ArgumentError>("predict needs source=: an image, a folder, a pattern or a list");
  Overrides saving = with_config_file(overrides);
  if (!saving.contains("save")) saving.set("save", true);
  YOLO(*args.model, options)
      .predict_each(
          *args.source, [](Results&&) { return true; }, saving);
  return 0;
}

}  // namespace boxcar
