#include "boxcar/data/dataset/scan.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "boxcar/data/dataset/image_list.h"
#include "boxcar/data/dataset/workers.h"
#include "boxcar/data/image/decode.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

/// What one thread finds out about one image.
struct Finding {
  ImageProbe probe;
  ParsedLabels labels;
  bool has_label_file = false;
};

Finding look_at(const fs::path& image, const LabelRules& rules) {
  Finding f;
  f.probe = probe_image(image);
  const fs::path file = label_path(image);
  std::error_code ignored;
  f.has_label_file = fs::is_regular_file(file, ignored);
  if (f.probe.ok) f.labels = read_labels(file, rules);
  return f;
}

/// Adds one finding to the result.
class Collector {
 public:
  explicit Collector(ScanResult& out) : out_(out) {}

  void add(const fs::path& image, Finding f) {
    ++out_.counts.images;
    out_.counts.label_files += f.has_label_file;
    if (!f.probe.ok) return leave_out(image, fmt::format("{}: image left out: {}", image.string(), f.probe.problem));
    if (f.labels.state == LabelState::kCorrupt)
      return leave_out(image, fmt::format("{}: image left out, its label file {} is corrupt: {}", image.string(),
                                          label_path(image).string(), f.labels.problem));
    remark(image, f);
    keep(image, std::move(f));
  }

 private:
  void leave_out(const fs::path& image, std::string text) {
    ++out_.counts.corrupt;
    out_.problems.push_back({image, true, std::move(text)});
  }
  void remark(const fs::path& image, const Finding& f) {
    if (f.probe.repaired) {
      ++out_.counts.repaired;
      out_.problems.push_back(
          {image, false,
           fmt::format(
               "{}: this JPEG does not end with its end marker; it is mended in memory, the file is left as it is",
               image.string())});
    }
    if (f.labels.duplicates > 0) {
      out_.counts.duplicates += f.labels.duplicates;
      out_.problems.push_back(
          {image, false, fmt::format("{}: {} repeated rows removed", label_path(image).string(), f.labels.duplicates)});
    }
  }
  void keep(const fs::path& image, Finding f) {
    out_.counts.missing += f.labels.state == LabelState::kMissing;
    out_.counts.empty += f.labels.state == LabelState::kEmpty;
    out_.images.push_back({image, f.probe.height, f.probe.width, f.labels.state == LabelState::kLabelled,
                           std::move(f.labels.boxes), std::move(f.labels.polygons)});
  }

  ScanResult& out_;
};

/// Polygons for some boxes only are of no use to the transforms: then none are kept.
void drop_partial_polygons(ScanResult& result) {
  std::size_t boxes = 0, polygons = 0;
  for (const ScannedImage& image : result.images) boxes += image.boxes.size(), polygons += image.polygons.size();
  if (polygons == 0 || polygons == boxes) return;
  for (ScannedImage& image : result.images) image.polygons.clear();
  result.problems.push_back(
      {{},
       false,
       fmt::format("{} of {} objects are polygons, the others boxes: only boxes are used; to train on polygons, label "
                   "all objects with them",
                   polygons, boxes)});
}

}  // namespace

std::string ScanCounts::summary() const {
  return fmt::format("{} images, {} backgrounds, {} corrupt", images, backgrounds(), corrupt);
}

ScanResult scan_images(std::span<const fs::path> images, const LabelRules& rules, int threads) {
  std::vector<Finding> findings(images.size());
  run_on_workers(images.size(), threads, [&](std::size_t i) { findings[i] = look_at(images[i], rules); });
  ScanResult result;
  Collector collector(result);
  for (std::size_t i = 0; i < images.size(); ++i) collector.add(images[i], std::move(findings[i]));
  drop_partial_polygons(result);
  return result;
}

}  // namespace boxcar
