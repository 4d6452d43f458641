#include <fmt/format.h>

#include <algorithm>

#include "boxcar/trainers/plots/charts.h"
#include "boxcar/trainers/plots/draw_boxes.h"

namespace boxcar {
namespace {

constexpr double kBlank = 0.005;      // cells below show nothing
constexpr double kDarkShare = 0.45;   // of the maximum: white numbers above
constexpr int kNumberedClasses = 30;  // numbers in the cells below this
constexpr int kNamedClasses = 99;     // names at the axes below this
constexpr int kThinnedFrom = 100, kThinnedTo = 60;

/// Classes that are shown, and the background.
std::vector<int> shown(int nc) {
  const int step = nc >= kThinnedFrom ? std::max(2, nc / kThinnedTo) : 1;
  std::vector<int> list;
  for (int c = 0; c < nc; c += step) list.push_back(c);
  list.push_back(nc);
  return list;
}

struct Cells {
  std::vector<int> classes;    // of rows and columns
  std::vector<double> values;  // row (predicted) by row
  double max = 0;
  double at(std::size_t row, std::size_t column) const { return values[row * classes.size() + column]; }
};

Cells cells_of(const ConfusionMatrix& matrix, bool normalized) {
  Cells cells{shown(matrix.background()), {}, 0};
  const std::vector<double> shares = normalized ? matrix.normalized() : std::vector<double>{};
  for (const int predicted : cells.classes) {
    for (const int truth : cells.classes) {
      const double v = normalized ? shares[static_cast<std::size_t>(predicted) * matrix.side() + truth]
                                  : static_cast<double>(matrix.at(predicted, truth));
      cells.values.push_back(v < kBlank ? 0 : v);
      cells.max = std::max(cells.max, v);
    }
  }
  return cells;
}

/// Rows "column row value"; with `numbers` only cells that show one, dark or light.
std::string block(const char* name, const Cells& cells, bool normalized, bool numbers, bool dark) {
  std::string text = fmt::format("${} << EOD\n", name);
  const std::size_t n = cells.classes.size();
  for (std::size_t row = 0; row < n; ++row) {
    for (std::size_t column = 0; column < n; ++column) {
      const double v = cells.at(row, column);
      if (numbers && (v == 0 || (v > kDarkShare * cells.max) != dark)) continue;
      text += numbers && normalized ? fmt::format("{} {} {:.2f}\n", column, row, v)
                                    : fmt::format("{} {} {:.9g}\n", column, row, v);
    }
  }
  // A block without rows would be an error: a number far outside the picture.
  return text + (numbers ? "-9 -9 0\n" : "") + "EOD\n";
}

std::string tics(const Cells& cells, std::span<const std::string> names, bool named) {
  std::string text = "(";
  for (std::size_t i = 0; named && i < cells.classes.size(); ++i) {
    const bool background = i + 1 == cells.classes.size();
    const std::string name = background ? "background" : class_name(names, cells.classes[i]);
    text += fmt::format("{}{} {}", i ? ", " : "", gnuplot_string(name, 20), i);
  }
  return text + ")";
}

}  // namespace

Drawn plot_confusion_matrix(const ConfusionMatrix& matrix, std::span<const std::string> names, bool normalized,
                            const std::filesystem::path& png, const GnuplotOptions& options) {
  const Cells cells = cells_of(matrix, normalized);
  const auto n = static_cast<int>(cells.classes.size());
  const bool numbered = matrix.background() < kNumberedClasses;
  const std::string axis = tics(cells, names, n - 1 < kNamedClasses);
  const double font = std::clamp(330.0 / n, 3.0, 10.0);
  std::string s = gnuplot_terminal(12, 9, 250) + block("cells", cells, normalized, false, false);
  s += block("light", cells, normalized, true, false) + block("dark", cells, normalized, true, true);
  s += fmt::format(
      "set title 'Confusion Matrix{}' font ',13'\nset xlabel 'True' font ',12'\nset ylabel 'Predicted' font ',12'\n"
      "set palette defined (0 '#ffffff', 0.02 '#f3f8fe', 0.25 '#c6dbef', 0.5 '#6baed6', 0.75 '#2171b5', 1 '#08306b')\n"
      "set cbrange [0:{}]\nset xrange [-0.5:{}]\nset yrange [{}:-0.5]\nset tics scale 0\nset border lc rgb '#606060'\n"
      "set xtics rotate by 90 right {} font ',{:.1f}'\nset ytics {} font ',{:.1f}'\nset cbtics autofreq font ',9'\n"
      "unset key\nplot $cells using 1:2:3 with image",
      normalized ? " Normalized" : "", cells.max > 0 ? cells.max : 1, n - 0.5, n - 0.5, axis, font, axis, font);
  if (numbered) {
    s += fmt::format(
        ", $light using 1:2:3 with labels tc rgb '#202020' font ',{0:.1f}', "
        "$dark using 1:2:3 with labels tc rgb '#ffffff' font ',{0:.1f}'",
        std::clamp(160.0 / n, 3.0, 12.0));
  }
  return run_gnuplot(s + "\n", png, options);
}

}  // namespace boxcar
