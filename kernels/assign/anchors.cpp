#include "boxcar/kernels/assign/anchors.h"

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

void AnchorGrid::add_level(int h, int w, float stride) {
  if (h < 1 || w < 1 || !(stride > 0.0f)) {
    fail<ShapeError>("a detection level of {} x {} cells with stride {} has no anchors", h, w, stride);
  }
  levels_.push_back({h, w, stride, count_});
  count_ += levels_[levels_.size() - 1].cells();
}

AnchorPoint AnchorGrid::point(std::int64_t anchor) const {
  int l = 0;
  while (l + 1 < levels_.size() && anchor >= levels_[l + 1].first) ++l;
  const std::int64_t cell = anchor - levels_[l].first;
  return {float(cell % levels_[l].w) + 0.5f, float(cell / levels_[l].w) + 0.5f, levels_[l].stride, l, cell};
}

}  // namespace boxcar::kernels
