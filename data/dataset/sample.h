// One image with its boxes and outlines, and where samples come from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "boxcar/data/image/image.h"

namespace boxcar {

/// An object of an image: class, centre and size as fractions (0..1) of the image.
struct BoxLabel {
  int cls = 0;
  float xc = 0, yc = 0, w = 0, h = 0;
  bool operator==(const BoxLabel&) const = default;
};

/// Corner points x1, y1, x2, y2, ... of an object's outline, which is closed.
using Polygon = std::vector<float>;

struct Sample {
  std::filesystem::path path;  // of the image file, for messages and results
  Image image;                 // decoded, upright, at its original size
  std::vector<BoxLabel> boxes;
  std::vector<Polygon> polygons = {};  // of each box, as fractions of the image; or none at all
};

/// Where a trainer or validator takes its samples from; a user's own may replace it.
class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual std::size_t size() const = 0;
  /// Called by many threads at once.
  virtual Sample get(std::size_t index) const = 0;
  /// Height and width of the upright original, without decoding where that is possible.
  /// The default decodes the image.
  struct Size {
    int height = 0, width = 0;
  };
  virtual Size image_size(std::size_t index) const;
  /// The labels alone. The default calls get().
  virtual std::vector<BoxLabel> labels(std::size_t index) const;
};

}  // namespace boxcar
