// A predicted box, and a true one.
#pragma once

#include <span>
#include <vector>

#include "boxcar/kernels/nms/nms.h"

namespace boxcar {

/// Corners in pixels: of the original image in `Results`, of the network's input in the metrics.
struct Box {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  float conf = 0;  // 0..1
  int cls = 0;
  bool operator==(const Box&) const = default;
};

/// A labelled object: corners in the same pixels as the predictions it is compared with.
struct TruthBox {
  float x1 = 0, y1 = 0, x2 = 0, y2 = 0;
  int cls = 0;
  bool operator==(const TruthBox&) const = default;
};

/// The same boxes without their anchors, in the same order.
std::vector<Box> boxes_of(std::span<const kernels::Detection> detections);

}  // namespace boxcar
