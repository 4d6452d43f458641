// A small detection data set that is drawn, for tests, demonstrations and first steps: nothing to
// download, and every box is right.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace boxcar {

struct ShapesOptions {
  int images = 160;           // in all
  double val_fraction = 0.2;  // of them, at least one, for validation
  int imgsz = 320;            // longer side in pixels
  std::uint64_t seed = 0;
  int most_objects = 12;         // drawn on one image
  double empty_fraction = 0.05;  // share of images without objects
  int jpeg_quality = 92;
  int threads = 0;  // 0: one a core, at most 16
};

struct ShapesReport {
  std::vector<std::string> names;  // circle, square, triangle, star, ring, heart
  int train = 0, val = 0;          // images
  long long objects = 0;           // labelled
};

/// Writes `folder`/images/{train,val}/*.jpg, labels/{train,val}/*.txt and data.yaml. Shapes of all
/// sizes and turns in colours that say nothing about their class lie over textured backgrounds and over
/// each other. A box encloses the whole shape, hidden parts included, cut to the image; a shape of which
/// less than a third can be seen gets none. The same options give the same bytes, whatever the number of threads.
/// `folder` appears when all is done. Throws ArgumentError on options out of range or a folder that is not empty,
/// IoError.
ShapesReport draw_shapes_dataset(const std::filesystem::path& folder, const ShapesOptions& options = {});

}  // namespace boxcar
