#include "boxcar/data/loader/planned_pictures.h"

#include <algorithm>

namespace boxcar {
namespace {

// The image's number in the batch.
int number_of(PlannedPictures& batch, const PlannedImage& image) {
  const auto found = std::ranges::find_if(
      batch.images, [&](const PlannedImage& known) { return image.index && known.index == image.index; });
  const auto number = found - batch.images.begin();
  if (found == batch.images.end()) batch.images.push_back(image);
  return static_cast<int>(number);
}

}  // namespace

void add_picture(PlannedPictures& batch, const kernels::RenderPlan& plan, const std::vector<PlannedImage>& images) {
  std::vector<int> numbers;
  for (const PlannedImage& image : images) numbers.push_back(number_of(batch, image));
  kernels::RenderPlan& added = batch.plans.emplace_back(plan);
  for (kernels::Picture* picture : {&added.picture, &added.mixup_picture, &added.cutmix_picture}) {
    for (int i = 0; i < picture->tile_count; ++i) {
      int& source = picture->tiles[i].source;
      source = numbers[static_cast<std::size_t>(source)];
    }
  }
}

std::vector<kernels::SourceImage> host_sources(const std::vector<PlannedImage>& images) {
  std::vector<kernels::SourceImage> sources;
  for (const PlannedImage& each : images) {
    sources.push_back({each.image->pixels.data(), each.image->height, each.image->width});
  }
  return sources;
}

}  // namespace boxcar
