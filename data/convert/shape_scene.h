// One drawn picture of the shapes data set.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

inline constexpr std::string_view kShapeNames[] = {"circle", "square", "triangle", "star", "ring", "heart"};

struct ShapeScene {
  Image image;  // B, G, R
  std::vector<BoxLabel> boxes;
};

/// Draws a scene whose longer side is `imgsz` with up to `most_objects` shapes, none where `empty`.
ShapeScene draw_shape_scene(Random& random, int imgsz, int most_objects, bool empty);

}  // namespace boxcar
