#include "boxcar/kernels/assign/anchors.h"

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

void AnchorGrid::add_level(int h, int w, float stride) {
  if (h < 1 || w < 1 || !(stride > 0.0f)) {
    fail<ShapeError>("a detection level of {} x {} cells with stride {} has no anchors", h, w, stride);
  }
  levels_.push_back({h, w, stride, count_});
  count_ += levels_[levels_.size() - 1].cells();
  if (count_ > 0x7fffffff) fail<ShapeError>("a detection head of {} anchors is too large", count_);
}

}  // namespace boxcar::kernels
