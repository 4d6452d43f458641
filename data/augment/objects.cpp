#include "boxcar/data/augment/objects.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace boxcar {

void append(PixelObjects& objects, PixelObjects others) {
  objects.boxes.insert(objects.boxes.end(), others.boxes.begin(), others.boxes.end());
  std::ranges::move(others.outlines, std::back_inserter(objects.outlines));
  if (objects.outlines.size() != objects.boxes.size()) objects.outlines.clear();
}

PixelObjects to_pixels(std::span<const BoxLabel> labels, std::span<const Polygon> polygons, float width, float height,
                       float dx, float dy) {
  PixelObjects objects;
  for (const BoxLabel& label : labels) objects.boxes.push_back(to_pixels(label, width, height, dx, dy));
  for (const Polygon& polygon : polygons) objects.outlines.push_back(to_pixels(polygon, width, height, dx, dy));
  return objects;
}

PixelObjects clipped(PixelObjects objects, float width, float height) {
  PixelObjects kept;
  for (std::size_t i = 0; i < objects.boxes.size(); ++i) {
    const PixelBox box = clipped(objects.boxes[i], width, height);
    if (!(box.area() > 0)) continue;
    kept.boxes.push_back(box);
    if (objects.has_outlines()) kept.outlines.push_back(clipped(std::move(objects.outlines[i]), width, height));
  }
  return kept;
}

PixelObjects flipped_horizontally(PixelObjects objects, float width) {
  for (PixelBox& box : objects.boxes) box = flipped_horizontally(box, width);
  for (Polygon& outline : objects.outlines) outline = flipped_horizontally(std::move(outline), width);
  return objects;
}

PixelObjects warped(const PixelObjects& objects, const Matrix3& matrix, bool perspective, float scale, float width,
                    float height) {
  const float least_area = objects.has_outlines() ? 0.01f : 0.10f;
  PixelObjects kept;
  for (std::size_t i = 0; i < objects.boxes.size(); ++i) {
    const PixelBox& box = objects.boxes[i];
    const PixelBox before{box.cls, box.x1 * scale, box.y1 * scale, box.x2 * scale, box.y2 * scale};
    Polygon outline;
    if (objects.has_outlines()) outline = clipped(mapped(objects.outlines[i], matrix, perspective), width, height);
    const PixelBox after =
        objects.has_outlines() ? bounds(box.cls, outline) : clipped(mapped(box, matrix, perspective), width, height);
    if (!keep_box(before, after, least_area)) continue;
    kept.boxes.push_back(after);
    if (objects.has_outlines()) kept.outlines.push_back(std::move(outline));
  }
  return kept;
}

}  // namespace boxcar
