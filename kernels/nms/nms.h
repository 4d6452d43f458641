// From a network's decoded predictions to the boxes of each image.
#pragma once

#include <vector>

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// One box that was kept: corners in pixels of the network's input, neither clipped nor scaled.
struct Detection {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float score = 0;  // probability of `cls`
  int cls = 0;
  int anchor = 0;  // row of the predictions it came from
};
/// Detections of each image, in falling score order.
using Detections = std::vector<std::vector<Detection>>;

struct NmsOptions {
  float conf = 0.25f;          // a score must be above, 0..1
  float iou = 0.7f;            // a box goes when its IoU with a better one is above, 0..1
  bool multi_label = false;    // a candidate for every class above conf, not for the best one only
  bool agnostic = false;       // boxes of different classes suppress each other
  std::vector<int> classes{};  // keep these only; empty: all
  int max_det = 300;           // boxes an image, at least 1
  int max_nms = 30000;         // candidates an image that enter, those with the highest scores; at least 1
};

/// Greedy non-maximum suppression per image. IoU has no epsilon and is taken in float32 on corners
/// shifted by 7680 pixels a class (not when agnostic), so two zero-area boxes never suppress each
/// other. Equal scores keep the order of anchor, then class. There is no time limit: the result
/// depends on the numbers alone. A NaN score is never a candidate.
/// On CUDA the same boxes come in the same order, to the bit. It waits for the stream, and takes 28 bytes a candidate
/// that enters (max_nms an image) and 28 a box.
/// predictions: [N,1,A,4+nc] f32, any ld; a row holds centre x, centre y, width, height
/// in pixels, then nc class probabilities. Throws ShapeError (shape, type), ArgumentError (options).
Detections non_max_suppression(Stream& stream, const TensorView& predictions, const NmsOptions& options);

/// What the first four numbers of a row are.
enum class BoxFormat { kXywh, kXyxy };

struct EndToEndOptions {
  float conf = 0.25f;          // a score must be above
  bool agnostic = false;       // at most one row an anchor, its best class
  std::vector<int> classes{};  // keep these only; empty: all
  int max_det = 300;           // boxes an image, at least 1
  int candidates = 300;        // rows the head itself gives, before conf and classes; at least 1
  BoxFormat boxes = BoxFormat::kXywh;
};

/// Boxes of a head trained one-to-one, which needs no suppression. k = min(candidates, A) anchors with
/// the highest best-class score; of their k*nc scores the k highest, so an anchor may come several
/// times with different classes; then conf, classes and max_det. Ties go to the lower index.
/// predictions: as above. CPU only. Throws ShapeError (shape, type), ArgumentError (options).
Detections select_end_to_end(Stream& stream, const TensorView& predictions, const EndToEndOptions& options);

}  // namespace boxcar::kernels
