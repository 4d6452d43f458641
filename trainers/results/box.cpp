#include "boxcar/trainers/results/box.h"

namespace boxcar {

std::vector<Box> boxes_of(std::span<const kernels::Detection> detections) {
  std::vector<Box> boxes;
  boxes.reserve(detections.size());
  for (const kernels::Detection& d : detections) boxes.push_back({d.x1, d.y1, d.x2, d.y2, d.score, d.cls});
  return boxes;
}

}  // namespace boxcar
