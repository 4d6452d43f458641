// Pascal VOC annotation files.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace boxcar {

struct VocObject {
  std::string name;
  bool difficult = false;
  double xmin = 0, ymin = 0, xmax = 0, ymax = 0;  // pixels as written, counted from 1
};

struct VocAnnotation {
  std::string image;          // file name, as written, without folders; may be empty
  int width = 0, height = 0;  // as written; 0: not given
  std::vector<VocObject> objects;
};

/// Reads one XML file. Throws DataError naming file and element: not XML, no <annotation>, an object
/// without name or box, a coordinate that is not a finite number; IoError where it cannot be read.
VocAnnotation read_voc_xml(const std::filesystem::path& file);

}  // namespace boxcar
