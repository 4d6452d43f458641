// A split of a data set in YOLO format: images in folders or lists, labels beside them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/dataset/scan.h"
#include "boxcar/runtime/base/log.h"

namespace boxcar {

struct YoloDatasetOptions {
  int num_classes = 0;            // of the data-set YAML
  bool training = false;          // no label file at all: an error, not a warning
  double fraction = 1.0;          // of the sorted images: see fraction_count
  bool single_cls = false;        // all classes become 0
  std::vector<int> classes = {};  // only boxes of these are kept (not renumbered); empty: all
  int channels = 3;               // 3 colour, 1 grey
  int threads = 0;                // for the scan; 0: one a core, at most 16
  std::string name = "data";      // for messages: "train", "val"
  Log log = {};
};

/// Scans images and labels when it is made, decodes in get(). Corrupt images are left out and
/// reported. Reads the data set only; nothing is ever written there.
class YoloDataset : public Dataset {
 public:
  /// `sources` are folders or text files (DataConfig::train and the like). Throws DataError where a source
  /// is missing, no image is valid, or, when training, no image has a label file.
  YoloDataset(const std::vector<std::filesystem::path>& sources, YoloDatasetOptions options);

  std::size_t size() const override { return images_.size(); }
  /// Decodes. Throws DataError where the file has become unreadable or another since the scan.
  Sample get(std::size_t index) const override;
  Size image_size(std::size_t index) const override;
  std::vector<BoxLabel> labels(std::size_t index) const override;

  const std::filesystem::path& path(std::size_t index) const { return images_.at(index).path; }
  /// One polygon a box of labels(index), in that order, where has_polygons(); else none.
  const std::vector<Polygon>& polygons(std::size_t index) const { return images_.at(index).polygons; }
  bool has_polygons() const { return has_polygons_; }

  /// Of the scan, before the `classes` filter.
  const ScanCounts& counts() const { return counts_; }
  const std::vector<ScanProblem>& problems() const { return problems_; }

 private:
  void check() const;
  void apply_filters();

  YoloDatasetOptions options_;
  std::vector<ScannedImage> images_;
  std::vector<ScanProblem> problems_;
  ScanCounts counts_;
  bool has_polygons_ = false;
};

}  // namespace boxcar
