// Boxes with their class tags.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "boxcar/trainers/plots/canvas.h"
#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// Class names by class; a class beyond them goes by its number.
std::string class_name(std::span<const std::string> names, int cls);

struct BoxStyle {
  double line_width = 2;  // pixels
  double font_size = 14;  // pixels
  bool boxes = true;      // the outlines
  bool labels = true;     // the tags
  bool conf = true;       // a score in the tag
  int conf_decimals = 2;
};

/// Sizes that suit a picture of that size: lines of 0.3% of its mean side, at least 2 pixels.
BoxStyle style_for(int width, int height);

/// Draws boxes, in pixels of the canvas, into `area`, best ones last, each in its class's colour. A tag lies
/// above its box where there is room, else inside, moved so that it stays in `area`. A box that is not
/// finite, or lies outside, is left out.
void draw_boxes(Canvas& canvas, const Rect& area, std::span<const Box> boxes, std::span<const std::string> names,
                const BoxStyle& style);

}  // namespace boxcar
