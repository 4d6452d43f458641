// train_batch*.jpg, val_batch*_labels.jpg and _pred.jpg: the pictures of a batch with their boxes in a grid.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/image/image.h"
#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// One picture of a batch. Boxes in pixels of `image`; conf is not looked at for labels.
struct BatchItem {
  Image image;
  std::string name;  // of the file, shown in the corner (40 characters)
  std::vector<Box> boxes;
};

struct BatchPictureOptions {
  bool scores = false;     // "name 0.9" for predictions; "name" for labels
  float min_conf = 0.25f;  // with scores: only predictions above
  int max_items = 16;
  int max_side = 1920;  // pixels; larger grids are shrunk
};

/// Up to max_items pictures, ceil(sqrt(n)) a side, filled column by column, on white with white borders.
/// Cells have the size of the largest picture. Throws ArgumentError for no items or an empty image.
Image batch_picture(std::span<const BatchItem> items, std::span<const std::string> names,
                    const BatchPictureOptions& options = {});

/// The picture of a network's input: `rgb` are height * width * 3 values in 0..1, red first.
Image image_from_rgb(std::span<const float> rgb, int height, int width);
/// Boxes of labels, given as fractions of an image of that size, without scores.
std::vector<Box> boxes_of_labels(std::span<const BoxLabel> labels, int width, int height);

}  // namespace boxcar
