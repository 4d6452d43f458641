// Predictions as label files (save_txt), and the tables a validation prints.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "boxcar/trainers/metrics/det_metrics.h"
#include "boxcar/trainers/results/box.h"

namespace boxcar {

/// One line a box, "class xc yc w h" or "class xc yc w h score": fractions of the image, 6 significant digits.
/// Boxes in pixels of an image of that width and height (ArgumentError if not positive).
std::string label_lines(std::span<const Box> boxes, int width, int height, bool with_conf);
/// Appends the lines to a file, making its folder; nothing is made for no boxes. Throws IoError.
void append_label_file(const std::filesystem::path& file, const std::string& lines);

/// Stems for label files of these images: paths below their common folder, parts joined by "_", so that equal
/// stems in two folders do not clash. In the order given.
std::vector<std::string> label_stems(std::span<const std::filesystem::path> images);

/// "Class Images Instances Box(P R mAP50 mAP50-95)" in columns of 22 and 6 x 11; no line end.
std::string validation_header();
/// A line of that table: numbers with three significant digits; no line end.
std::string validation_row(const std::string& name, std::int64_t images, std::int64_t instances, double precision,
                           double recall, double map50, double map);
/// The line "all", then, if `per_class`, one a class with labels. names[c] is class c's name.
std::vector<std::string> validation_rows(const DetMetrics& metrics, std::span<const std::string> names, bool per_class);

}  // namespace boxcar
