// COCO's evaluation of boxes: the numbers of pycocotools' COCOeval with iouType "bbox".
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace boxcar {

/// x, y of the top-left corner, width, height, in pixels of the original image.
using CocoBox = std::array<double, 4>;

/// Images and categories are any numbers; those of detections are found among those of the truths.
struct CocoTruth {
  std::int64_t image = 0;
  int category = 0;
  CocoBox bbox{};
  double area = 0;     // decides small, medium, large; of the segment where there is one
  bool crowd = false;  // a region of many objects: may be met any number of times, never counts
};

struct CocoDetection {
  std::int64_t image = 0;
  int category = 0;
  CocoBox bbox{};
  double score = 0;
};

/// What is measured on. Detections outside these images and categories are left out.
struct CocoGround {
  std::vector<std::int64_t> images;
  std::vector<int> categories;
  std::vector<CocoTruth> truths;
};

/// -1 where there is no truth to measure.
struct CocoSummary {
  double ap = -1, ap50 = -1, ap75 = -1;                 // 100 detections an image
  double ap_small = -1, ap_medium = -1, ap_large = -1;  // areas < 32^2, 32^2..96^2, > 96^2
  double ar1 = -1, ar10 = -1, ar100 = -1;               // 1, 10, 100 detections an image
  double ar_small = -1, ar_medium = -1, ar_large = -1;
  std::vector<std::array<double, 10>> ap_per_category;  // at IoU 0.50, 0.55, ..., 0.95

  /// What a final validation of COCO is ranked by: 0.9 * ap + 0.1 * ap50.
  double fitness() const { return 0.9 * ap + 0.1 * ap50; }
};

/// Precision is averaged over 101 recalls; matching is greedy by score, stable. Truths of unknown images or
/// categories are left out.
CocoSummary evaluate_coco(const CocoGround& ground, const std::vector<CocoDetection>& detections);

}  // namespace boxcar
