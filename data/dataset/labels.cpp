#include "boxcar/data/dataset/labels.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <tuple>

#include "boxcar/data/dataset/number.h"
#include "boxcar/data/image/file_bytes.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

constexpr std::size_t kMostFileBytes = std::size_t{64} << 20;
constexpr std::size_t kBoxFields = 5;
constexpr float kHighest = 1.01f, kLowest = -0.01f;  // compared as float32
constexpr float kMostClass = 1 << 24;                // the last float32 that counts in ones

/// A line's fields as numbers.
struct Row {
  int line = 0;
  std::vector<float> fields;
};

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

Row read_row(std::string_view text, int line) {
  Row row{line, {}};
  for (std::size_t at = 0;;) {
    while (at < text.size() && is_space(text[at])) ++at;
    if (at == text.size()) return row;
    std::size_t end = at;
    while (end < text.size() && !is_space(text[end])) ++end;
    const std::string_view field = text.substr(at, end - at);
    const auto number = parse_number(field);
    if (!number || std::isnan(*number)) fail<DataError>("line {}: '{}' is not a number", line, field.substr(0, 40));
    row.fields.push_back(static_cast<float>(*number));
    at = end;
  }
}

std::vector<Row> read_rows(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  std::vector<Row> rows;
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    Row row = read_row(text.substr(0, end), line);
    if (!row.fields.empty()) rows.push_back(std::move(row));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return rows;
}

/// A row's box and class before the class is known to be a whole number.
struct RawBox {
  float cls, xc, yc, w, h;
  auto key() const { return std::tie(cls, xc, yc, w, h); }
};

RawBox box_of_fields(const Row& row) {
  const auto& f = row.fields;
  if (f.size() != kBoxFields)
    fail<DataError>("line {}: {} fields; 5 are wanted (class, centre x, centre y, width, height)", row.line, f.size());
  return {f[0], f[1], f[2], f[3], f[4]};
}

Polygon polygon_of_fields(const Row& row) {
  const std::size_t coordinates = row.fields.size() - 1;
  if (row.fields.size() == kBoxFields)
    fail<DataError>("line {}: a box in a file that also holds polygons; use one or the other", row.line);
  if (coordinates == 0 || coordinates % 2 != 0)
    fail<DataError>("line {}: a polygon of {} coordinates; pairs of x and y are wanted", row.line, coordinates);
  return {row.fields.begin() + 1, row.fields.end()};
}

RawBox box_around(float cls, const Polygon& polygon) {
  float x1 = polygon[0], x2 = x1, y1 = polygon[1], y2 = y1;
  for (std::size_t i = 2; i < polygon.size(); i += 2) {
    x1 = std::min(x1, polygon[i]), x2 = std::max(x2, polygon[i]);
    y1 = std::min(y1, polygon[i + 1]), y2 = std::max(y2, polygon[i + 1]);
  }
  return {cls, (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1};
}

void check_coordinates(const RawBox& b, int line) {
  for (const float v : {b.xc, b.yc, b.w, b.h}) {
    if (!(v <= kHighest))
      fail<DataError>("line {}: the coordinate {} is above 1; fractions of the image are wanted, not pixels", line, v);
    if (!(v >= kLowest)) fail<DataError>("line {}: the coordinate {} is negative", line, v);
  }
  if (b.w < 0 || b.h < 0) fail<DataError>("line {}: the size {} x {} is negative", line, b.w, b.h);
}

void check_class(const RawBox& b, int line, const LabelRules& rules) {
  if (b.cls < 0 || b.cls != std::floor(b.cls) || b.cls > kMostClass)
    fail<DataError>("line {}: the class {} is not a whole number from 0 on", line, b.cls);
  if (!rules.single_cls && b.cls >= static_cast<float>(rules.num_classes))
    fail<DataError>("line {}: class {} of a data set with {} classes (0 to {})", line, b.cls, rules.num_classes,
                    rules.num_classes - 1);
}

/// Leaves one of each set of equal rows. Only then are the rows sorted, as the reference does.
void remove_duplicates(std::vector<RawBox>& boxes, std::vector<Polygon>& polygons, int& removed) {
  const bool by_polygon = !polygons.empty();
  std::vector<std::size_t> order(boxes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (boxes[a].key() != boxes[b].key()) return boxes[a].key() < boxes[b].key();
    return by_polygon && polygons[a] < polygons[b];
  });
  const auto equal = [&](std::size_t a, std::size_t b) {
    return boxes[a].key() == boxes[b].key() && (!by_polygon || polygons[a] == polygons[b]);
  };
  order.erase(std::unique(order.begin(), order.end(), equal), order.end());
  removed = static_cast<int>(boxes.size() - order.size());
  if (removed == 0) return;
  std::vector<RawBox> kept_boxes;
  std::vector<Polygon> kept_polygons;
  for (const std::size_t i : order) {
    kept_boxes.push_back(boxes[i]);
    if (by_polygon) kept_polygons.push_back(std::move(polygons[i]));
  }
  boxes = std::move(kept_boxes);
  polygons = std::move(kept_polygons);
}

ParsedLabels parse_or_throw(std::string_view text, const LabelRules& rules) {
  const std::vector<Row> rows = read_rows(text);
  ParsedLabels out{.state = rows.empty() ? LabelState::kEmpty : LabelState::kLabelled};
  const bool polygons = std::any_of(rows.begin(), rows.end(), [](const Row& r) { return r.fields.size() > 6; });
  std::vector<RawBox> boxes;
  for (const Row& row : rows) {
    if (polygons) {
      out.polygons.push_back(polygon_of_fields(row));
      boxes.push_back(box_around(row.fields[0], out.polygons.back()));
    } else {
      boxes.push_back(box_of_fields(row));
    }
    check_coordinates(boxes.back(), row.line);
    check_class(boxes.back(), row.line, rules);
  }
  remove_duplicates(boxes, out.polygons, out.duplicates);
  for (const RawBox& b : boxes) out.boxes.push_back({static_cast<int>(b.cls), b.xc, b.yc, b.w, b.h});
  return out;
}

ParsedLabels corrupt(const char* problem) {
  ParsedLabels out{.state = LabelState::kCorrupt};
  out.problem = problem;
  return out;
}

}  // namespace

ParsedLabels parse_labels(std::string_view text, const LabelRules& rules) {
  try {
    return parse_or_throw(text, rules);
  } catch (const DataError& e) {
    return corrupt(e.what());
  }
}

ParsedLabels read_labels(const std::filesystem::path& file, const LabelRules& rules) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return {};
  try {
    const auto bytes = read_file_bytes(file, kMostFileBytes);
    return parse_labels({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, rules);
  } catch (const Error& e) {
    return corrupt(e.what());
  }
}

}  // namespace boxcar
