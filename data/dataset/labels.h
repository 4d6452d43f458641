// YOLO label files: one object a line, `class xc yc w h` or `class x1 y1 x2 y2 ...`, as
// fractions of the image's width and height.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/data/dataset/sample.h"

namespace boxcar {

enum class LabelState {
  kLabelled,  // at least one box
  kEmpty,     // a file without objects: a background image
  kMissing,   // no file: a background image too
  kCorrupt,   // the image is left out
};

struct LabelRules {
  int num_classes = 0;
  bool single_cls = false;  // any class is accepted (it becomes 0 later, not here)
};

/// What one label file holds.
struct ParsedLabels {
  LabelState state = LabelState::kMissing;
  std::vector<BoxLabel> boxes = {};    // in the order of the file, or sorted where duplicates were removed
  std::vector<Polygon> polygons = {};  // one a box, as fractions of the image, or none where the file holds boxes
  int duplicates = 0;                  // rows removed because an equal one is there
  std::string problem = {};            // why it is corrupt, with the line: "line 3: ..."
};

/// Applies the rules of section 3 of the data facts: one bad row makes the whole file corrupt. Fields
/// are decimal numbers ('+', exponents and underscores between digits allowed), taken as float32.
/// Coordinates up to 1.01 and centres from -0.01 pass and are kept as they are; sizes of 0 pass.
ParsedLabels parse_labels(std::string_view text, const LabelRules& rules);

/// The same for a file, which may be absent. A file that cannot be read is corrupt.
ParsedLabels read_labels(const std::filesystem::path& file, const LabelRules& rules);

}  // namespace boxcar
