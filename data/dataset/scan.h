// Looks at every image and label file of a split once, before training.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "boxcar/data/dataset/labels.h"

namespace boxcar {

/// A usable image and what its label file says.
struct ScannedImage {
  std::filesystem::path path;
  int height = 0, width = 0;  // upright
  bool labelled = false;      // a label file with at least one box
  std::vector<BoxLabel> boxes;
  std::vector<Polygon> polygons;  // one a box, or none
};

struct ScanCounts {
  int images = 0;       // looked at
  int label_files = 0;  // found, those of corrupt images included
  int missing = 0;      // images without a label file: backgrounds
  int empty = 0;        // images with an empty one: backgrounds too
  int corrupt = 0;      // left out
  int repaired = 0;     // JPEG files that do not end properly but decode
  int duplicates = 0;   // label rows left out
  int backgrounds() const { return missing + empty; }
  /// "120 images, 3 backgrounds, 1 corrupt".
  std::string summary() const;
};

struct ScanProblem {
  std::filesystem::path image;
  bool left_out = false;  // the image is; otherwise only remarked upon
  std::string text;       // one sentence that names the file
};

struct ScanResult {
  std::vector<ScannedImage> images;   // the usable ones, in the order given
  std::vector<ScanProblem> problems;  // in the order given
  ScanCounts counts;
};

/// Checks the images and reads their label files on `threads` threads of its own (0: one a core, at most 16).
/// The outcome does not depend on their number. One bad file never ends the scan: the image is left out and
/// named in `problems`. If polygons belong to some boxes only, all polygons are dropped.
ScanResult scan_images(std::span<const std::filesystem::path> images, const LabelRules& rules, int threads = 0);

}  // namespace boxcar
