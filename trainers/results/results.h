// What was found in one image.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "boxcar/data/image/image.h"
#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// Milliseconds an image took.
struct Speed {
  double preprocess = 0, inference = 0, postprocess = 0;
};

struct PlotOptions {
  bool labels = true, conf = true, boxes = true;  // tags, scores in them, outlines
  int line_width = 0;                             // pixels; 0: suits the image
  double font_size = 0;                           // pixels; 0: suits the image
};

struct Results {
  std::filesystem::path path;                             // of the image; any name for one that came from memory
  int width = 0, height = 0;                              // of the original image
  std::vector<Box> boxes;                                 // pixels of the original image, in falling score order
  std::shared_ptr<const std::vector<std::string>> names;  // by class; null or too short: numbers
  std::shared_ptr<const Image> image = nullptr;           // the original; null: read from `path` where it is needed
  Speed speed{};

  /// Centre x, centre y, width, height of each box, in pixels; and both forms as fractions of the image.
  std::vector<std::array<float, 4>> xywh() const;
  std::vector<std::array<float, 4>> xyxyn() const;
  std::vector<std::array<float, 4>> xywhn() const;

  /// The name of a class.
  std::string name_of(int cls) const;
  /// [{"name":"blue","class":1,"confidence":0.00622,"box":{"x1":0.0,"y1":...,"x2":...,"y2":...}}], numbers with 5
  /// decimals; with `normalized` corners are fractions of the image.
  std::string to_json(bool normalized = false) const;
  /// "3 blues, 1 red, " in order of class; "(no detections), " for none.
  std::string verbose() const;

  /// Appends "class xc yc w h [score]" lines, fractions of the image; no file for no boxes. Throws IoError.
  void save_txt(const std::filesystem::path& file, bool with_conf = false) const;
  /// The image with its boxes drawn. Throws IoError or DataError if the image has to be read and cannot be.
  Image plot(const PlotOptions& options = {}) const;
  /// Writes plot() as the suffix says; empty: results_<stem>.jpg in the current folder.
  void save(const std::filesystem::path& file = {}) const;
  /// The part of the image around box i: enlarged by 2% and 10 pixels, cut at the border. Empty where nothing
  /// of it lies in the image. Throws ArgumentError if there is no box i.
  Image crop(std::size_t i) const;
  /// Writes every crop as folder/<class>/<stem>.jpg, further ones <stem>-2.jpg, <stem>-3.jpg. A class name that
  /// is no folder name has its offending characters replaced by "_". An empty stem: that of `path`.
  void save_crop(const std::filesystem::path& folder, const std::string& stem = {}) const;
};

}  // namespace boxcar
