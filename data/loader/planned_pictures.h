// Pictures of a batch that are drawn but not rendered: for a device that renders them itself.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "boxcar/data/image/image.h"
#include "boxcar/kernels/render/render.h"

namespace boxcar {

/// An image that plans show.
struct PlannedImage {
  std::shared_ptr<const Image> image;  // blue-green-red
  /// Which of the data set's: its pixels are the same whenever it comes again. None: made for this batch.
  std::optional<std::size_t> index;
};

struct PlannedPictures {
  std::vector<kernels::RenderPlan> plans;  // one a picture
  std::vector<PlannedImage> images;        // what the tiles' `source` numbers count, each of the data set's once
};

/// Adds one picture, whose plan counts its own images, to those of a batch.
void add_picture(PlannedPictures& batch, const kernels::RenderPlan& plan, const std::vector<PlannedImage>& images);

/// The images as render() takes them, with their pixels in host memory.
std::vector<kernels::SourceImage> host_sources(const std::vector<PlannedImage>& images);

}  // namespace boxcar
