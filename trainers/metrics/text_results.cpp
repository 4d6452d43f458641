#include "boxcar/trainers/metrics/text_results.h"

#include <fmt/format.h>

#include <fstream>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using std::filesystem::path;

std::vector<path> folders_of(const path& file) {
  const path folder = file.lexically_normal().parent_path();
  return {folder.begin(), folder.end()};
}

/// How many leading folders all images share.
std::size_t common_depth(std::span<const path> images) {
  std::vector<path> common = folders_of(images.front());
  for (const path& image : images) {
    const std::vector<path> mine = folders_of(image);
    std::size_t same = 0;
    while (same < common.size() && same < mine.size() && common[same] == mine[same]) ++same;
    common.resize(same);
  }
  return common.size();
}

}  // namespace

std::string label_lines(std::span<const Box> boxes, int width, int height, bool with_conf) {
  if (width < 1 || height < 1) fail<ArgumentError>("label lines: an image of {}x{} pixels", width, height);
  const auto w = static_cast<float>(width), h = static_cast<float>(height);
  std::string text;
  for (const Box& b : boxes) {
    text += fmt::format("{} {:g} {:g} {:g} {:g}", b.cls, (b.x1 + b.x2) / 2 / w, (b.y1 + b.y2) / 2 / h,
                        (b.x2 - b.x1) / w, (b.y2 - b.y1) / h);
    text += with_conf ? fmt::format(" {:g}\n", b.conf) : "\n";
  }
  return text;
}

void append_label_file(const path& file, const std::string& lines) {
  if (lines.empty()) return;
  std::error_code ignored;  // what is wrong with the folder shows when the file is opened
  std::filesystem::create_directories(file.parent_path(), ignored);
  std::ofstream out(file, std::ios::app | std::ios::binary);
  out << lines << std::flush;
  if (!out)
    fail<IoError>("cannot write {}: check that the folder exists, may be written to and is not full", file.string());
}

std::vector<std::string> label_stems(std::span<const path> images) {
  std::vector<std::string> stems;
  if (images.empty()) return stems;
  const std::size_t depth = common_depth(images);
  for (const path& image : images) {
    const std::vector<path> folders = folders_of(image);
    std::string stem;
    for (std::size_t i = depth; i < folders.size(); ++i) stem += folders[i].string() + "_";
    stems.push_back(stem + image.stem().string());
  }
  return stems;
}

std::string validation_header() {
  std::string line = fmt::format("{:>22}", "Class");
  for (const char* name : {"Images", "Instances", "Box(P", "R", "mAP50", "mAP50-95)"})
    line += fmt::format("{:>11}", name);
  return line;
}

std::string validation_row(const std::string& name, std::int64_t images, std::int64_t instances, double precision,
                           double recall, double map50, double map) {
  return fmt::format("{:>22}{:>11}{:>11}{:>11.3g}{:>11.3g}{:>11.3g}{:>11.3g}", name, images, instances, precision,
                     recall, map50, map);
}

std::vector<std::string> validation_rows(const DetMetrics& m, std::span<const std::string> names, bool per_class) {
  std::vector<std::string> rows{
      validation_row("all", m.image_count, m.label_count, m.precision, m.recall, m.map50, m.map)};
  if (!per_class) return rows;
  for (const ClassMetrics& c : m.classes) {
    const bool named = static_cast<std::size_t>(c.cls) < names.size();
    rows.push_back(validation_row(named ? names[c.cls] : std::to_string(c.cls), c.images, c.labels, c.precision,
                                  c.recall, c.ap50, c.ap));
  }
  return rows;
}

}  // namespace boxcar
