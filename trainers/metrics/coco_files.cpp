#include "boxcar/trainers/metrics/coco_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {
namespace {

using Json = nlohmann::json;
constexpr std::uint64_t kMaxAnnotationBytes = std::uint64_t{1} << 30;
constexpr std::size_t kMaxIdDigits = 18;  // fits 64 bits

bool all_digits(const std::string& s) {
  return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Text as JSON; bytes that are no UTF-8 become the replacement character.
std::string quoted(const std::string& text) { return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace); }

/// A number as JSON, always with a point or an exponent.
std::string number(double value) { return Json(value).dump(); }

std::string id_text(const std::string& stem) {
  if (!all_digits(stem)) return quoted(stem);
  return stem.substr(std::min(stem.find_first_not_of('0'), stem.size() - 1));
}

/// Corner and size, by way of the centre and in float32, as the reference computes them.
CocoBox corner_and_size(const Box& b) {
  const float w = b.x2 - b.x1, h = b.y2 - b.y1;
  const float x = (b.x1 + b.x2) / 2 - w / 2, y = (b.y1 + b.y2) / 2 - h / 2;
  return {x, y, w, h};
}

CocoTruth truth_from(const Json& a) {
  CocoTruth t;
  t.image = a.at("image_id").get<std::int64_t>();
  t.category = a.at("category_id").get<int>();
  t.bbox = a.at("bbox").get<CocoBox>();
  t.area = a.contains("area") ? a["area"].get<double>() : t.bbox[2] * t.bbox[3];
  t.crowd = a.contains("iscrowd") && a["iscrowd"].get<int>() != 0;
  return t;
}

CocoGround ground_from(const Json& file) {
  CocoGround g;
  for (const Json& image : file.at("images")) g.images.push_back(image.at("id").get<std::int64_t>());
  for (const Json& category : file.at("categories")) g.categories.push_back(category.at("id").get<int>());
  for (const Json& a : file.at("annotations")) g.truths.push_back(truth_from(a));
  return g;
}

}  // namespace

std::vector<int> coco80_to_91() {
  constexpr std::pair<int, int> kRuns[] = {{1, 11},  {13, 25}, {27, 28}, {31, 44}, {46, 65},
                                           {67, 67}, {70, 70}, {72, 82}, {84, 90}};
  std::vector<int> ids;
  for (const auto& [first, last] : kRuns) {
    for (int id = first; id <= last; ++id) ids.push_back(id);
  }
  return ids;
}

bool is_coco_list(const std::filesystem::path& list) {
  const std::string text = list.string();
  return text.find("coco") != std::string::npos &&
         (text.ends_with("val2017.txt") || text.ends_with("test-dev2017.txt"));
}

std::vector<int> one_based_categories(int nc) {
  std::vector<int> ids(std::max(nc, 0));
  std::iota(ids.begin(), ids.end(), 1);
  return ids;
}

double round_to(double value, int decimals) {
  if (!std::isfinite(value)) return value;
  const std::string text = fmt::format("{:.{}f}", value, decimals);
  double rounded = 0;
  std::from_chars(text.data(), text.data() + text.size(), rounded);
  return rounded;
}

std::vector<CocoRow> coco_rows(const std::filesystem::path& image, std::span<const Box> boxes,
                               std::span<const int> categories) {
  std::vector<CocoRow> rows;
  for (const Box& b : boxes) {
    if (b.cls < 0 || static_cast<std::size_t>(b.cls) >= categories.size()) {
      fail<DataError>("{}: a prediction of class {}, but there are {} category numbers", image.string(), b.cls,
                      categories.size());
    }
    CocoBox bbox = corner_and_size(b);
    for (double& v : bbox) v = round_to(v, 3);
    rows.push_back({image.stem().string(), image.filename().string(), categories[b.cls], bbox, round_to(b.conf, 5)});
  }
  return rows;
}

std::string to_json(const CocoRow& r) {
  return fmt::format(R"({{"image_id": {}, "file_name": {}, "category_id": {}, "bbox": [{}, {}, {}, {}], "score": {}}})",
                     id_text(r.image_id), quoted(r.file_name), r.category, number(r.bbox[0]), number(r.bbox[1]),
                     number(r.bbox[2]), number(r.bbox[3]), number(r.score));
}

void write_predictions_json(const std::filesystem::path& file, std::span<const CocoRow> rows) {
  AtomicFile out(file);
  out.append("[");
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (i > 0) out.append(", ");
    out.append(to_json(rows[i]));
  }
  out.append("]");
  out.commit();
}

CocoGround read_coco_annotations(const std::filesystem::path& file) {
  const std::string text = read_file(file, kMaxAnnotationBytes);
  // Segments are nine tenths of the file and are not kept while parsing.
  const auto skip_segments = [](int, Json::parse_event_t event, Json& value) {
    return !(event == Json::parse_event_t::key && value == "segmentation");
  };
  try {
    return ground_from(Json::parse(text, skip_segments));
  } catch (const Json::exception& e) {
    fail<DataError>("{}: not a COCO annotation file of boxes ({})", file.string(), e.what());
  }
}

std::vector<CocoDetection> detections_of(std::span<const CocoRow> rows) {
  std::vector<CocoDetection> out;
  for (const CocoRow& r : rows) {
    if (!all_digits(r.image_id) || r.image_id.size() > kMaxIdDigits) continue;
    out.push_back({std::stoll(r.image_id), r.category, r.bbox, r.score});
  }
  return out;
}

CocoCollector::CocoCollector(int nc) { ground_.categories = one_based_categories(nc); }

void CocoCollector::add(std::span<const Box> predictions, std::span<const TruthBox> truths) {
  const auto image = static_cast<std::int64_t>(ground_.images.size());
  ground_.images.push_back(image);
  for (const TruthBox& t : truths) {
    const CocoBox bbox = corner_and_size({t.x1, t.y1, t.x2, t.y2, 0, t.cls});
    ground_.truths.push_back({image, t.cls + 1, bbox, bbox[2] * bbox[3], false});
  }
  for (const CocoRow& r : coco_rows("", predictions, ground_.categories)) {
    detections_.push_back({image, r.category, r.bbox, r.score});
  }
}

}  // namespace boxcar
