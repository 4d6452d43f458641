#include "boxcar/trainers/results/results.h"

#include <fmt/format.h>

#include <map>
#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/metrics/coco_files.h"
#include "boxcar/trainers/metrics/text_results.h"

namespace boxcar {
namespace {

constexpr int kDecimals = 5;

std::array<float, 4> xywh_of(const Box& b) { return {(b.x1 + b.x2) / 2, (b.y1 + b.y2) / 2, b.x2 - b.x1, b.y2 - b.y1}; }

void divide(std::array<float, 4>& v, int width, int height) {
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  v[0] /= w, v[1] /= h, v[2] /= w, v[3] /= h;
}

}  // namespace

std::vector<std::array<float, 4>> Results::xywh() const {
  std::vector<std::array<float, 4>> out;
  for (const Box& b : boxes) out.push_back(xywh_of(b));
  return out;
}

std::vector<std::array<float, 4>> Results::xywhn() const {
  auto out = xywh();
  for (auto& v : out) divide(v, width, height);
  return out;
}

std::vector<std::array<float, 4>> Results::xyxyn() const {
  std::vector<std::array<float, 4>> out;
  for (const Box& b : boxes) divide(out.emplace_back(std::array<float, 4>{b.x1, b.y1, b.x2, b.y2}), width, height);
  return out;
}

std::string Results::name_of(int cls) const {
  return names && cls >= 0 && static_cast<std::size_t>(cls) < names->size() ? (*names)[cls] : std::to_string(cls);
}

std::string Results::to_json(bool normalized) const {
  auto list = nlohmann::ordered_json::array();
  const auto fractions = xyxyn();
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const Box& b = boxes[i];
    const std::array<float, 4> v = normalized ? fractions[i] : std::array<float, 4>{b.x1, b.y1, b.x2, b.y2};
    nlohmann::ordered_json item, box;
    const char* keys[] = {"x1", "y1", "x2", "y2"};
    for (int k = 0; k < 4; ++k) box[keys[k]] = round_to(v[k], kDecimals);
    item["name"] = name_of(b.cls);
    item["class"] = b.cls;
    item["confidence"] = round_to(b.conf, kDecimals);
    item["box"] = std::move(box);
    list.push_back(std::move(item));
  }
  return list.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string Results::verbose() const {
  if (boxes.empty()) return "(no detections), ";
  std::map<int, int> counts;
  for (const Box& b : boxes) ++counts[b.cls];
  std::string text;
  for (const auto& [cls, count] : counts) text += fmt::format("{} {}{}, ", count, name_of(cls), count > 1 ? "s" : "");
  return text;
}

void Results::save_txt(const std::filesystem::path& file, bool with_conf) const {
  if (!boxes.empty()) append_label_file(file, label_lines(boxes, width, height, with_conf));
}

}  // namespace boxcar
