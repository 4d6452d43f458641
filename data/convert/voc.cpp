#include "boxcar/data/convert/voc.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <utility>

#include "boxcar/data/convert/data_yaml.h"
#include "boxcar/data/convert/output_folder.h"
#include "boxcar/data/convert/voc_xml.h"
#include "boxcar/data/dataset/image_list.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kMostListBytes = 64 << 20;

std::vector<fs::path> annotation_files(const VocSplit& split) {
  std::vector<fs::path> files;
  if (!split.list.empty()) {
    std::istringstream lines(read_file(split.list, kMostListBytes));
    // VOC lists may have a second column (1 or -1) after the id.
    for (std::string line; std::getline(lines, line);) {
      std::string id;
      if (std::istringstream(line) >> id) files.push_back(split.annotations / (id + ".xml"));
    }
    return files;
  }
  std::error_code error;
  for (fs::directory_iterator it(split.annotations, error), end; !error && it != end; it.increment(error))
    if (lower_suffix(it->path()) == "xml") files.push_back(it->path());
  if (error) fail<DataError>("cannot list the folder {}: {}", quote_path(split.annotations), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

/// An annotation with its image found and checked.
struct Item {
  std::string split;
  fs::path image;
  VocAnnotation annotation;
};

class Converter {
 public:
  Converter(const VocOptions& options, ConvertReport& report) : options_(options), report_(report) {}

  void read(const VocSplit& split) {
    std::set<std::string> stems;
    for (const fs::path& file : annotation_files(split)) {
      try {
        Item item{split.name, {}, read_voc_xml(file)};
        item.image = find_image(split, file, item.annotation);
        check_image(item);
        if (!stems.insert(item.image.stem().string()).second)
          fail<DataError>("{}: another annotation of this split has an image of the same name", quote_path(file));
        items_.push_back(std::move(item));
      } catch (const Error& e) {
        report_.problems.push_back(fmt::format("left out: {}", e.what()));
      }
    }
  }

  void write(const OutputFolder& out) {
    choose_classes();
    for (const Item& item : items_) {
      const fs::path name = item.image.filename();
      out.write(fs::path("labels") / item.split / name.stem().concat(".txt"), labels_of(item));
      const fs::path to = fs::path("images") / item.split / name;
      if (options_.images == ImagePlacement::kCopy)
        out.copy(item.image, to);
      else
        out.link(item.image, to);
      ++report_.images;
    }
  }
  bool empty() const { return items_.empty(); }

 private:
  static fs::path find_image(const VocSplit& split, const fs::path& file, const VocAnnotation& annotation) {
    std::error_code ignored;
    std::vector<fs::path> names;
    if (has_image_suffix(annotation.image)) names.push_back(annotation.image);
    for (const char* suffix : {".jpg", ".jpeg", ".png", ".bmp", ".JPG", ".JPEG", ".PNG", ".BMP"})
      names.push_back(file.stem().concat(suffix));
    for (const fs::path& name : names)
      if (fs::is_regular_file(split.images / name, ignored)) return split.images / name;
    fail<DataError>("{}: its image {} is not in {}", quote_path(file), quote(names.front().string()),
                    quote_path(split.images));
  }
  void check_image(Item& item) {
    const ImageProbe probe = probe_image(item.image);
    if (!probe.ok) fail<DataError>("{}: {}", quote_path(item.image), probe.problem);
    VocAnnotation& a = item.annotation;
    if (a.width <= 0 || a.height <= 0) a.width = probe.width, a.height = probe.height;
    if (a.width != probe.width || a.height != probe.height)
      report_.problems.push_back(
          fmt::format("{}: the annotation says {}x{} pixels, the image has {}x{}; the annotation's are used",
                      quote_path(item.image), a.width, a.height, probe.width, probe.height));
  }

  void choose_classes() {
    report_.names = options_.names;
    if (report_.names.empty()) {
      std::set<std::string> found;
      for (const Item& item : items_)
        for (const VocObject& object : item.annotation.objects)
          if (is_wanted(object)) found.insert(object.name);
      report_.names.assign(found.begin(), found.end());
    }
    if (report_.names.empty()) fail<DataError>("the annotations hold no objects");
    for (std::size_t i = 0; i < report_.names.size(); ++i)
      if (!ids_.emplace(report_.names[i], static_cast<int>(i)).second)
        fail<ArgumentError>("the class {} is given twice", quote(report_.names[i]));
    report_.objects.assign(report_.names.size(), 0);
  }
  bool is_wanted(const VocObject& object) const { return options_.keep_difficult || !object.difficult; }

  std::string labels_of(const Item& item) {
    std::string text;
    for (const VocObject& object : item.annotation.objects) {
      const auto id = ids_.find(object.name);
      if (!is_wanted(object)) {
        ++report_.difficult;
      } else if (id == ids_.end()) {
        ++report_.other_classes;
      } else {
        text += line_of(item, object, id->second);
      }
    }
    return text;
  }
  std::string line_of(const Item& item, const VocObject& o, int cls) {
    const double width = item.annotation.width, height = item.annotation.height;
    const double x1 = std::clamp(o.xmin, 0.0, width), x2 = std::clamp(o.xmax, 0.0, width);
    const double y1 = std::clamp(o.ymin, 0.0, height), y2 = std::clamp(o.ymax, 0.0, height);
    if (!(x2 > x1) || !(y2 > y1)) {
      ++report_.empty_boxes;
      report_.problems.push_back(fmt::format("{}: the box of a {} ({}, {}, {}, {}) is empty or outside; left out",
                                             quote_path(item.image), quote(o.name), o.xmin, o.ymin, o.xmax, o.ymax));
      return {};
    }
    if (x1 != o.xmin || x2 != o.xmax || y1 != o.ymin || y2 != o.ymax) ++report_.clipped_boxes;
    ++report_.objects[static_cast<std::size_t>(cls)];
    const double shift = options_.subtract_one ? 1 : 0;
    return label_line(cls, ((x1 + x2) / 2 - shift) / width, ((y1 + y2) / 2 - shift) / height, (x2 - x1) / width,
                      (y2 - y1) / height);
  }

  const VocOptions& options_;
  ConvertReport& report_;
  std::vector<Item> items_;
  std::map<std::string, int> ids_;
};

void check_splits(const std::vector<VocSplit>& splits) {
  std::set<std::string> names;
  for (const VocSplit& split : splits) {
    if (split.name != "train" && split.name != "val" && split.name != "test")
      fail<ArgumentError>("the split {} is not one of train, val, test", quote(split.name));
    if (!names.insert(split.name).second) fail<ArgumentError>("the split {} is given twice", split.name);
  }
}

}  // namespace

ConvertReport convert_voc(const std::vector<VocSplit>& splits, const fs::path& output, const VocOptions& options) {
  check_splits(splits);
  ConvertReport report;
  OutputFolder out(output);
  Converter converter(options, report);
  std::vector<std::pair<std::string, std::string>> folders;
  for (const VocSplit& split : splits) {
    converter.read(split);
    folders.emplace_back(split.name, "images/" + split.name);
    out.make_folder(folders.back().second);
  }
  if (converter.empty())
    fail<DataError>("no annotation with an image was found{}",
                    report.problems.empty() ? "" : ": " + report.problems.front());
  converter.write(out);
  out.write("data.yaml", data_yaml_text("Converted from Pascal VOC annotations.", folders, report.names));
  out.commit();
  return report;
}

}  // namespace boxcar
