#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <sstream>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/metrics/smoothing.h"
#include "boxcar/trainers/plots/charts.h"

namespace boxcar {
namespace {

constexpr std::uint64_t kMaxCsvBytes = std::uint64_t{1} << 28;
constexpr double kSigma = 3;
constexpr std::size_t kLegendPanel = 1;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::stringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) {
    const auto first = cell.find_first_not_of(" \t\r"), last = cell.find_last_not_of(" \t\r");
    cells.push_back(first == std::string::npos ? "" : cell.substr(first, last - first + 1));
  }
  return cells;
}

double number(const std::string& cell) {
  double value = kNaN;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc{} && end == cell.data() + cell.size() ? value : kNaN;
}

struct Table {
  std::vector<std::string> names;
  std::vector<std::vector<double>> columns;  // NaN where a cell holds no number
};

Table read_table(const std::filesystem::path& csv) {
  std::stringstream in(read_file(csv, kMaxCsvBytes));
  std::string line;
  Table table;
  if (std::getline(in, line)) table.names = split(line);
  table.columns.resize(table.names.size());
  while (std::getline(in, line)) {
    const std::vector<std::string> cells = split(line);
    if (cells.empty()) continue;
    for (std::size_t c = 0; c < table.names.size(); ++c) {
      table.columns[c].push_back(c < cells.size() ? number(cells[c]) : kNaN);
    }
  }
  return table;
}

/// Columns in the order of panels: first halves of losses and metrics, then the second halves.
std::vector<std::size_t> panels_of(const Table& table) {
  std::vector<std::size_t> losses, metrics, panels;
  for (std::size_t c = 0; c < table.names.size(); ++c) {
    if (table.names[c].find("loss") != std::string::npos) {
      losses.push_back(c);
    } else if (table.names[c].find("metric") != std::string::npos) {
      metrics.push_back(c);
    }
  }
  const auto add = [&](const std::vector<std::size_t>& list, bool second) {
    const auto half = static_cast<std::ptrdiff_t>((list.size() + 1) / 2);
    panels.insert(panels.end(), second ? list.begin() + half : list.begin(), second ? list.end() : list.begin() + half);
  };
  for (const bool second : {false, true}) add(losses, second), add(metrics, second);
  return panels;
}

/// "[low:high]" around all finite values, never empty.
std::string range(const std::vector<double>& a, const std::vector<double>& b, double margin) {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (const auto* list : {&a, &b}) {
    for (const double v : *list) {
      if (!std::isfinite(v)) continue;
      low = std::min(low, v), high = std::max(high, v);
    }
  }
  if (!(low <= high)) return "[0:1]";
  const double extra = high > low ? (high - low) * margin : std::max(std::abs(low) * 0.1, 0.5);
  return fmt::format("[{:.9g}:{:.9g}]", low - extra, high + extra);
}

std::string panel(std::size_t index, const std::string& name, const std::vector<double>& x,
                  const std::vector<double>& y) {
  const std::vector<double> smooth = gaussian_filter(y, kSigma);
  std::string s = fmt::format("$p{} << EOD\n", index);
  for (std::size_t i = 0; i < x.size(); ++i) s += fmt::format("{:.9g} {:.9g} {:.9g}\n", x[i], y[i], smooth[i]);
  s += fmt::format("EOD\nset title {}\nset xrange {}\nset yrange {}\n{}\n", gnuplot_string(name), range(x, x, 0.02),
                   range(y, smooth, 0.05), index == kLegendPanel ? "set key top right" : "unset key");
  return s + fmt::format(
                 "plot $p{0} using 1:2 with linespoints lw 1.6 lc rgb '#1f77b4' pt 7 ps {1} title 'results', "
                 "$p{0} using 1:3 with lines lw 2.2 dt 3 lc rgb '#ff7f0e' title 'smooth'\n",
                 index, x.size() > 60 ? 0.15 : 0.5);
}

std::string script_of(const Table& table, const std::vector<std::size_t>& panels) {
  const std::size_t across = (panels.size() + 1) / 2;
  std::string s = gnuplot_terminal(2.4 * static_cast<double>(std::max<std::size_t>(across, 2)), 6, 200);
  s += fmt::format(
      "set datafile missing 'nan'\nset multiplot layout 2,{}\nset tics out nomirror font ',8'\nset xtics autofreq\n"
      "set border 3 lc rgb '#606060'\nset grid lc rgb '#ececec' lt 1 lw 0.5\nset key font ',8' samplen 2\n"
      "set title font ',10'\nset format y '%.3g'\n",
      across);
  for (std::size_t i = 0; i < panels.size(); ++i) {
    s += panel(i, table.names[panels[i]], table.columns[0], table.columns[panels[i]]);
  }
  return s + "unset multiplot\n";
}

}  // namespace

Drawn plot_results(const std::filesystem::path& csv, const std::filesystem::path& png, const GnuplotOptions& options) {
  Table table;
  try {
    table = read_table(csv);
  } catch (const IoError& e) {
    return {false, fmt::format("{} was not drawn: {}", png.string(), e.what())};
  }
  const std::vector<std::size_t> panels = panels_of(table);
  if (panels.empty() || table.columns[0].empty()) {
    return {false, fmt::format("{} was not drawn: {} has no rows of losses or metrics", png.string(), csv.string())};
  }
  return run_gnuplot(script_of(table, panels), png, options);
}

}  // namespace boxcar
