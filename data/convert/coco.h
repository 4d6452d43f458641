// COCO annotation files to YOLO labels.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace boxcar {

/// Which class number a category id becomes.
enum class CocoClasses {
  kCoco80,      // the 80 classes of COCO: ids 1 to 90 with gaps become 0 to 79
  kIdMinusOne,  // id - 1
  kInOrder,     // the categories of the file in order of their ids become 0, 1, 2, ...
};

struct CocoOptions {
  CocoClasses classes = CocoClasses::kCoco80;
};

struct CocoReport {
  std::map<int, std::string> names;  // of the file's categories, by class number
  int images = 0, label_files = 0;   // images without a box get no file
  long long objects = 0;
  int crowd = 0, empty_boxes = 0, repeated = 0;  // annotations left out
};

/// The class of a COCO category id by the table of the 80 classes; -1 where it has none.
int coco80_class(long long category_id);

/// Reads JSON files such as instances_val2017.json and writes `output`/<val2017>/<image>.txt, one line a box with
/// six significant digits: xc = (x+w/2)/W and so on, without clipping. Crowds, boxes without area and exact
/// repeats are left out. `output` is new and appears when all is done. Throws DataError naming the file for what is not
/// a COCO detection file, ArgumentError for an output that is not empty, IoError.
CocoReport convert_coco(const std::vector<std::filesystem::path>& files, const std::filesystem::path& output,
                        const CocoOptions& options = {});

}  // namespace boxcar
