#include "boxcar/data/augment/copy_paste.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "boxcar/data/image/orientation.h"
#include "boxcar/kernels/render/render.h"

namespace boxcar {
namespace {

constexpr int kMirrored = 2;  // orientation

/// The largest share of an object's box that the donor's box covers.
float largest_cover(const PixelBox& donor, std::span<const PixelBox> boxes) {
  float largest = 0;
  for (const PixelBox& box : boxes) {
    largest = std::max(largest, share_inside(box, donor.x1, donor.y1, donor.x2, donor.y2));
  }
  return largest;
}

Image render_picture(Stream& stream, int width, int height, const kernels::Picture& picture,
                     std::span<const kernels::SourceImage> images) {
  kernels::RenderPlan plan;
  plan.width = width;
  plan.height = height;
  plan.picture = picture;
  plan.bgr = true;
  Image image{height, width, 3, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  kernels::render(stream, {{&plan, 1}, images, {image.pixels.data(), DType::kU8, 1, height, width, 3, 3}});
  return image;
}

}  // namespace

PixelObjects choose_pasted(const PixelObjects& donors, const PixelObjects& objects, double share) {
  constexpr float kMostCover = 0.30f;
  if (!donors.has_outlines()) return {};
  std::vector<float> covers;
  for (const PixelBox& donor : donors.boxes) covers.push_back(largest_cover(donor, objects.boxes));
  std::vector<std::size_t> order(covers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t i) { return !(covers[i] < kMostCover); });
  std::ranges::stable_sort(order, {}, [&](std::size_t i) { return covers[i]; });
  order.resize(static_cast<std::size_t>(std::nearbyint(share * static_cast<double>(order.size()))));
  PixelObjects pasted;
  for (const std::size_t i : order) {
    pasted.boxes.push_back(donors.boxes[i]);
    pasted.outlines.push_back(donors.outlines[i]);
  }
  return pasted;
}

Image render_paste(Stream& stream, const Paste& paste, std::span<const kernels::SourceImage> images) {
  Image image = render_picture(stream, paste.width, paste.height, paste.onto, images);
  const Image from = paste.mirror ? apply_orientation(image, kMirrored)
                                  : render_picture(stream, paste.width, paste.height, paste.from, images);
  for (const Polygon& outline : paste.outlines) copy_inside(outline, from, image);
  return image;
}

}  // namespace boxcar
