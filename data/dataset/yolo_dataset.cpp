#include "boxcar/data/dataset/yolo_dataset.h"

#include <algorithm>
#include <string>
#include <utility>

#include "boxcar/data/dataset/image_list.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

constexpr std::size_t kProblemsShown = 5;

std::string joined(const std::vector<std::filesystem::path>& paths) {
  std::string text;
  for (const auto& p : paths) text += (text.empty() ? "" : ", ") + p.string();
  return text;
}

/// The first few, for the message of a data set that cannot be used at all.
std::string first_problems(const std::vector<ScanProblem>& problems) {
  std::string text;
  for (std::size_t i = 0; i < std::min(problems.size(), kProblemsShown); ++i) text += "\n  " + problems[i].text;
  if (problems.size() > kProblemsShown) text += fmt::format("\n  and {} more", problems.size() - kProblemsShown);
  return text;
}

/// Keeps the boxes that `keep` accepts, and their polygons.
template <class Keep>
void filter(ScannedImage& image, Keep keep) {
  std::vector<BoxLabel> boxes;
  std::vector<Polygon> polygons;
  for (std::size_t i = 0; i < image.boxes.size(); ++i) {
    if (!keep(image.boxes[i])) continue;
    boxes.push_back(image.boxes[i]);
    if (!image.polygons.empty()) polygons.push_back(std::move(image.polygons[i]));
  }
  image.boxes = std::move(boxes);
  image.polygons = std::move(polygons);
}

}  // namespace

YoloDataset::YoloDataset(const std::vector<std::filesystem::path>& sources, YoloDatasetOptions options)
    : options_(std::move(options)) {
  std::vector<std::filesystem::path> files = list_images(sources);
  files.resize(fraction_count(files.size(), options_.fraction));
  ScanResult scan = scan_images(files, {options_.num_classes, options_.single_cls}, options_.threads);
  images_ = std::move(scan.images);
  problems_ = std::move(scan.problems);
  counts_ = scan.counts;
  options_.log.info("{}: {}: {}", options_.name, joined(sources), counts_.summary());
  for (const ScanProblem& p : problems_) options_.log.warning("{}: {}", options_.name, p.text);
  check();
  apply_filters();
}

void YoloDataset::check() const {
  if (images_.empty())
    fail<DataError>("{}: none of the {} images can be used:{}", options_.name, counts_.images,
                    first_problems(problems_));
  if (counts_.label_files == 0) {
    const std::string example = label_path(images_.front().path).string();
    if (options_.training)
      fail<DataError>("{}: none of the {} images has a label file; the one of {} would be {}", options_.name,
                      counts_.images, images_.front().path.string(), example);
    options_.log.warning("{}: no image has a label file (for example {})", options_.name, example);
  } else if (std::none_of(images_.begin(), images_.end(), [](const ScannedImage& i) { return i.labelled; })) {
    options_.log.warning("{}: all label files are empty: nothing can be learnt or measured", options_.name);
  }
}

void YoloDataset::apply_filters() {
  const std::vector<int>& wanted = options_.classes;
  for (ScannedImage& image : images_) {
    if (!wanted.empty())
      filter(image, [&](const BoxLabel& b) { return std::find(wanted.begin(), wanted.end(), b.cls) != wanted.end(); });
    if (options_.single_cls)
      for (BoxLabel& box : image.boxes) box.cls = 0;
    has_polygons_ = has_polygons_ || !image.polygons.empty();
  }
}

Sample YoloDataset::get(std::size_t index) const {
  const ScannedImage& entry = images_.at(index);
  Sample sample{entry.path, decode_image(entry.path, {.channels = options_.channels}), entry.boxes, entry.polygons};
  if (sample.image.height != entry.height || sample.image.width != entry.width)
    fail<DataError>("{} has {}x{} pixels now and had {}x{} when the data set was scanned; do not change it meanwhile",
                    entry.path.string(), sample.image.width, sample.image.height, entry.width, entry.height);
  return sample;
}

Dataset::Size YoloDataset::image_size(std::size_t index) const {
  return {images_.at(index).height, images_.at(index).width};
}

std::vector<BoxLabel> YoloDataset::labels(std::size_t index) const { return images_.at(index).boxes; }

}  // namespace boxcar
