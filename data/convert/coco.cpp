#include "boxcar/data/convert/coco.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/data/convert/output_folder.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

/// Category ids without a class among 1 to 90.
constexpr std::array<long long, 10> kAbsent{12, 26, 29, 30, 45, 66, 68, 69, 71, 83};

/// Annotation files are large mostly for their outlines, which are not kept while parsing.
json read_detections(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) fail<IoError>("cannot read {}", quote_path(file));
  const auto keep = [](int depth, json::parse_event_t event, json& value) {
    if (depth > 64) fail<DataError>("nested too deeply");
    return event != json::parse_event_t::key || (value != "segmentation" && value != "licenses" && value != "info");
  };
  try {
    json data = json::parse(in, keep);
    if (!data.is_object()) fail<DataError>("not an object");
    for (const char* key : {"images", "annotations", "categories"})
      if (!data.contains(key) || !data[key].is_array()) fail<DataError>("it has no list '{}'", key);
    return data;
  } catch (const json::exception& e) {
    fail<DataError>("{}: not valid JSON: {}", quote_path(file), e.what());
  } catch (const DataError& e) {
    fail<DataError>("{}: not a COCO detection file: {}", quote_path(file), e.what());
  }
}

struct CocoImage {
  std::string file;
  double width = 0, height = 0;
  std::vector<std::string> lines;
};

/// One JSON file's worth of work.
class Converter {
 public:
  Converter(const json& data, const CocoOptions& options, CocoReport& report)
      : data_(data), options_(options), report_(report) {}

  void convert() {
    read_categories();
    read_images();
    for (const json& annotation : data_.at("annotations")) add(annotation);
  }
  void write(const OutputFolder& out, const fs::path& folder) const {
    std::set<std::string> written;
    for (const auto& [id, image] : images_) {
      if (image.lines.empty()) continue;
      const fs::path name = (folder / image.file).replace_extension(".txt").lexically_normal();
      if (!written.insert(name.string()).second)
        fail<DataError>("two images would get the label file {}", quote_path(name));
      std::string text;
      for (const std::string& line : image.lines) text += line;
      out.write(name, text);
      ++report_.label_files;
    }
  }

 private:
  void read_categories() {
    std::map<long long, std::string> names;
    for (const json& c : data_.at("categories")) names[c.at("id").get<long long>()] = c.at("name").get<std::string>();
    for (const auto& [id, name] : names) ids_in_order_.push_back(id);
    for (const auto& [id, name] : names)
      if (const int cls = class_of(id); cls >= 0) report_.names[cls] = name;
  }
  void read_images() {
    for (const json& i : data_.at("images")) {
      CocoImage image{i.at("file_name"), i.at("width"), i.at("height"), {}};
      if (!(image.width >= 1) || !(image.height >= 1))
        fail<DataError>("the image {} has the size {}x{}", quote(image.file), image.width, image.height);
      images_.emplace(i.at("id").get<long long>(), std::move(image));
    }
    report_.images += static_cast<int>(images_.size());
  }
  int class_of(long long id) const {
    switch (options_.classes) {
      case CocoClasses::kCoco80:
        return coco80_class(id);
      case CocoClasses::kIdMinusOne:
        return id >= 1 && id <= 100'000 ? static_cast<int>(id - 1) : -1;
      default:
        break;
    }
    const auto at = std::lower_bound(ids_in_order_.begin(), ids_in_order_.end(), id);
    return at != ids_in_order_.end() && *at == id ? static_cast<int>(at - ids_in_order_.begin()) : -1;
  }

  void add(const json& a) {
    const auto image = images_.find(a.at("image_id").get<long long>());
    if (image == images_.end())
      fail<DataError>("an annotation belongs to image {}, which the file does not list", a.at("image_id").dump());
    if (is_crowd(a)) {
      ++report_.crowd;
      return;
    }
    const auto box = a.at("bbox").get<std::vector<double>>();
    if (box.size() != 4) fail<DataError>("a bbox of {} numbers; 4 are wanted (x, y, width, height)", box.size());
    if (!(box[2] > 0) || !(box[3] > 0)) {
      ++report_.empty_boxes;
      return;
    }
    add_line(image->second, class_or_fail(a.at("category_id").get<long long>()), box);
  }
  static bool is_crowd(const json& a) {
    const auto flag = a.find("iscrowd");
    return flag != a.end() && (flag->is_boolean() ? flag->get<bool>() : flag->get<double>() != 0);
  }
  int class_or_fail(long long id) const {
    const int cls = class_of(id);
    if (cls < 0)
      fail<DataError>("category {} has no class by the chosen rule; number the categories in order instead", id);
    return cls;
  }
  void add_line(CocoImage& image, int cls, const std::vector<double>& box) {
    const std::string line =
        fmt::format("{} {:g} {:g} {:g} {:g}\n", cls, (box[0] + box[2] / 2) / image.width,
                    (box[1] + box[3] / 2) / image.height, box[2] / image.width, box[3] / image.height);
    if (std::find(image.lines.begin(), image.lines.end(), line) != image.lines.end()) {
      ++report_.repeated;
      return;
    }
    image.lines.push_back(line);
    ++report_.objects;
  }

  const json& data_;
  const CocoOptions& options_;
  CocoReport& report_;
  std::map<long long, CocoImage> images_;
  std::vector<long long> ids_in_order_;
};

/// instances_val2017.json -> val2017
std::string folder_name(const fs::path& file) {
  constexpr std::string_view kPrefix = "instances_";
  std::string name = file.stem().string();
  if (const std::size_t at = name.find(kPrefix); at != std::string::npos) name.erase(at, kPrefix.size());
  return name.empty() ? "labels" : name;
}

}  // namespace

int coco80_class(long long category_id) {
  if (category_id < 1 || category_id > 90) return -1;
  const auto at = std::lower_bound(kAbsent.begin(), kAbsent.end(), category_id);
  if (at != kAbsent.end() && *at == category_id) return -1;
  return static_cast<int>(category_id - 1 - (at - kAbsent.begin()));
}

CocoReport convert_coco(const std::vector<fs::path>& files, const fs::path& output, const CocoOptions& options) {
  if (files.empty()) fail<ArgumentError>("no COCO file is named");
  CocoReport report;
  OutputFolder out(output);
  std::set<std::string> folders;
  for (const fs::path& file : files) {
    const std::string folder = folder_name(file);
    if (!folders.insert(folder).second)
      fail<ArgumentError>("two of the COCO files would write into the folder {}; convert them apart", quote(folder));
    const json data = read_detections(file);
    try {
      Converter converter(data, options, report);
      converter.convert();
      out.make_folder(folder);
      converter.write(out, folder);
    } catch (const json::exception& e) {
      fail<DataError>("{}: not a COCO detection file: {}", quote_path(file), e.what());
    } catch (const Error& e) {
      fail<DataError>("{}: {}", quote_path(file), e.what());
    }
  }
  out.commit();
  return report;
}

}  // namespace boxcar
