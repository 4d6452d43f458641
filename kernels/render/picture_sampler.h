// A picture of a plan, row by row, on the CPU.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "boxcar/kernels/render/render_plan.h"

namespace boxcar::kernels::cpu {

class PictureSampler {
 public:
  virtual ~PictureSampler() = default;
  /// The sampler's pixels of output row y, four bytes each: blue, green, red, one of no meaning.
  virtual void row(int y, std::uint8_t* out) = 0;
};

/// For output pixels x1 <= x < x2 of the rows. The picture and the images must outlive the sampler.
std::unique_ptr<PictureSampler> make_sampler(const Picture& picture, std::span<const SourceImage> images,
                                             std::uint8_t fill, int x1, int x2);

}  // namespace boxcar::kernels::cpu
