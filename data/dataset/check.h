// A report on a data set, without changing anything in it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/data/dataset/data_config.h"
#include "boxcar/data/dataset/scan.h"

namespace boxcar {

struct SplitReport {
  std::string name;  // train, val, test
  ScanCounts counts = {};
  std::vector<long long> objects = {};  // of usable images, one number a class
  long long boxes_outside = 0;          // reach more than half a pixel beyond their image
  long long boxes_empty = 0;            // without width or height
  int damaged = 0;                      // can be shown, but part of the picture is lost
  std::vector<ScanProblem> problems = {};
};

/// Images with the same bytes.
struct SameImages {
  std::vector<std::filesystem::path> files;  // sorted, two or more
  bool in_several_splits = false;            // then validation measures what was trained on
};

struct DataReport {
  std::vector<std::string> names;        // the classes
  std::vector<SplitReport> splits = {};  // those the data set has, in the order train, val, test
  std::vector<SameImages> same = {};     // sorted by their first file

  int images_in_several_splits() const;
  int corrupt() const;
  long long boxes_outside() const;
  /// "412 train, 59 val; helmet 611, head 240, vest 52; 2 corrupt images, 7 images in both splits, 3 boxes outside".
  std::string summary() const;
};

/// Reads, and unless `decode` is off decodes, every image of all splits on `threads` threads (0: one a core, at
/// most 16). Throws DataError where a split's images cannot be listed.
DataReport check_data(const DataConfig& config, bool decode = true, int threads = 0);

}  // namespace boxcar
