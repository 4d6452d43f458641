// COCO's files: predictions.json and the annotations they are measured on.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "boxcar/trainers/metrics/coco_eval.h"
#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// COCO's category numbers (1..90 with gaps) of the 80 classes.
std::vector<int> coco80_to_91();
/// Whether predictions carry COCO's own category numbers: `list` names COCO's val2017 or test-dev2017 list.
bool is_coco_list(const std::filesystem::path& list);
/// {1, 2, ..., nc}: the category numbers of any other data set.
std::vector<int> one_based_categories(int nc);

/// One row of predictions.json.
struct CocoRow {
  std::string image_id;  // the file's stem; written as a number if it is all digits
  std::string file_name;
  int category = 0;
  CocoBox bbox{};    // rounded to 3 decimals
  double score = 0;  // rounded to 5 decimals
  bool operator==(const CocoRow&) const = default;
};

/// Rows of one image's boxes, in pixels of the original image and clipped. categories[c] is class c's number;
/// throws DataError for a class beyond them.
std::vector<CocoRow> coco_rows(const std::filesystem::path& image, std::span<const Box> boxes,
                               std::span<const int> categories);

/// The value with that many decimals, halves decided by the exact binary value.
double round_to(double value, int decimals);

/// {"image_id":139,"file_name":"000000000139.jpg",...}: one row as it stands in the file.
std::string to_json(const CocoRow& row);
/// Writes predictions.json. Throws IoError naming the file.
void write_predictions_json(const std::filesystem::path& file, std::span<const CocoRow> rows);

/// Reads instances_*.json: images, categories and boxes; segments are skipped. Throws IoError if it cannot be
/// read, DataError if it is no such file.
CocoGround read_coco_annotations(const std::filesystem::path& file);

/// Detections of rows whose image is a number of at most 18 digits, to compare with annotations.
std::vector<CocoDetection> detections_of(std::span<const CocoRow> rows);

/// Ground truth and detections of any data set, for the numbers of small, medium and large objects.
class CocoCollector {
 public:
  explicit CocoCollector(int nc);
  /// One image: boxes in pixels of the original image.
  void add(std::span<const Box> predictions, std::span<const TruthBox> truths);
  CocoSummary evaluate() const { return evaluate_coco(ground_, detections_); }

 private:
  CocoGround ground_;
  std::vector<CocoDetection> detections_;
};

}  // namespace boxcar
