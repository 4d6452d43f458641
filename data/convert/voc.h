// Pascal VOC data sets to YOLO format.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace boxcar {

/// How the images get into the new data set.
enum class ImagePlacement { kCopy, kSymlink };

/// One split: a folder of XML files and the folder of their images.
struct VocSplit {
  std::string name;  // train, val or test
  std::filesystem::path annotations, images;
  std::filesystem::path list =
      {};  // text file with one image id a line (ImageSets/Main/train.txt); empty: all XML files
};

struct VocOptions {
  std::vector<std::string> names = {};  // classes in order; objects of others are left out. Empty: all found, sorted
  bool keep_difficult = false;
  bool subtract_one = false;  // the reference's own VOC script: centres one pixel up and left, since VOC counts from 1
  ImagePlacement images = ImagePlacement::kCopy;
};

struct ConvertReport {
  std::vector<std::string> names;  // the classes
  std::vector<long long> objects;  // written, one number a class
  int images = 0;
  int empty_boxes = 0;                   // left out: no width or height, or outside the image
  int clipped_boxes = 0;                 // reached beyond the image and were cut to it
  int difficult = 0, other_classes = 0;  // left out
  std::vector<std::string> problems;     // one sentence each; images named here as left out are not in `images`
};

/// Writes `output`/images/<split>, labels/<split> and data.yaml. xc = (xmin+xmax)/2/W and so on,
/// six decimals, in the order of the XML, in pixels as written unless `subtract_one`. The size comes from the XML, or
/// where that gives none from the image. The sources are only read; `output` appears when all is done.
/// An annotation that cannot be read or has no usable image is reported and left out. Throws ArgumentError on bad
/// splits or an output that is not empty, DataError where nothing is left to convert, IoError.
ConvertReport convert_voc(const std::vector<VocSplit>& splits, const std::filesystem::path& output,
                          const VocOptions& options = {});

}  // namespace boxcar
