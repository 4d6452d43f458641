// Random plans and images, and rendering them on any device.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "boxcar/kernels/render/render.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar::kernels {

/// Images in the host's memory, of which each has memory of its own, so that a byte read beyond one is noticed.
struct Images {
  std::vector<std::unique_ptr<std::uint8_t[]>> pixels;
  std::vector<SourceImage> views;

  void add(int height, int width, Random& random);
};

/// Of five sizes, down to one pixel, one row and three columns.
Images some_images();

/// Anything a plan can say, sensible or not.
RenderPlan any_plan(int height, int width, const Images& images, Random& random);

/// The images, each in memory of its own, and the plans' table on a stream's device; kept until the work is done.
class RenderInput {
 public:
  /// `images` in the host's memory. Throws as write_render_table().
  RenderInput(Stream& stream, std::span<const RenderPlan> plans, std::span<const SourceImage> images,
              const TensorView& out);
  const RenderArgs& args() const { return args_; }
  /// Other plans of the same number: takes the place of the ones before, in stream order.
  void replace(Stream& stream, std::span<const RenderPlan> plans);

 private:
  std::vector<Tensor> pixels_;
  std::vector<SourceImage> images_;
  std::vector<std::vector<std::byte>> tables_;
  Tensor table_;
  RenderArgs args_;
};

/// What render() writes, as numbers: bytes for kU8. The output is poisoned before.
std::vector<float> rendered(Stream& stream, std::span<const RenderPlan> plans, std::span<const SourceImage> images,
                            DType dtype = DType::kU8);

}  // namespace boxcar::kernels
