#include <fmt/format.h>

#include <algorithm>

#include "boxcar/trainers/metrics/smoothing.h"
#include "boxcar/trainers/plots/charts.h"
#include "boxcar/trainers/plots/draw_boxes.h"

namespace boxcar {
namespace {

constexpr std::size_t kNamedClasses = 20;
constexpr double kSmoothing = 0.1;

using Curve = std::vector<double> ClassCurves::*;

struct Chart {
  const char* file;
  const char* x;
  const char* y;
  Curve curve;
};
constexpr Chart kPrecisionRecall{"BoxPR_curve.png", "Recall", "Precision", &ClassCurves::precision_over_recall};
constexpr Chart kOverConfidence[] = {{"BoxF1_curve.png", "Confidence", "F1", &ClassCurves::f1},
                                     {"BoxP_curve.png", "Confidence", "Precision", &ClassCurves::precision},
                                     {"BoxR_curve.png", "Confidence", "Recall", &ClassCurves::recall}};

std::vector<double> mean_curve(const std::vector<ClassCurves>& classes, Curve curve) {
  std::vector<double> mean(kCurvePoints, 0.0);
  for (const ClassCurves& c : classes) {
    for (int i = 0; i < kCurvePoints; ++i) mean[i] += (c.*curve)[i] / static_cast<double>(classes.size());
  }
  return mean;
}

/// Rows "x mean class class ...".
std::string data_block(const std::vector<ClassCurves>& classes, Curve curve, const std::vector<double>& mean) {
  const std::vector<double> axis = curve_axis();
  std::string text = "$data << EOD\n";
  for (int i = 0; i < kCurvePoints; ++i) {
    text += fmt::format("{:.6g} {:.6g}", axis[i], mean[i]);
    for (const ClassCurves& c : classes) text += fmt::format(" {:.6g}", (c.*curve)[i]);
    text += '\n';
  }
  return text + "EOD\n";
}

std::string hex(Color c) { return fmt::format("#{:02x}{:02x}{:02x}", c.r, c.g, c.b); }

std::string script_of(const Chart& chart, const std::vector<ClassCurves>& classes, const std::vector<double>& mean,
                      const std::vector<std::string>& titles, const std::string& mean_title) {
  std::string s = gnuplot_terminal(9, 6, 250) + data_block(classes, chart.curve, mean);
  s += fmt::format(
      "set title '{}-{} Curve'\nset xlabel '{}'\nset ylabel '{}'\nset xrange [0:1]\nset yrange [0:1]\n"
      "set tics out nomirror\nset grid lc rgb '#e4e4e4' lt 1 lw 0.5\nset border 3 lc rgb '#606060'\n"
      "set key outside right top Left reverse spacing 1.2 samplen 2\nplot ",
      chart.y, chart.x, chart.x, chart.y);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const bool named = !titles.empty();
    s += fmt::format("$data using 1:{} with lines lw 1 lc rgb '{}' {}, \\\n", i + 3,
                     named ? hex(on_white(class_color(classes[i].cls))) : "#b8b8b8",
                     named ? "title " + gnuplot_string(titles[i], 28) : "notitle");
  }
  return s + fmt::format("$data using 1:2 with lines lw 3 lc rgb '#0000ff' title {}\n", gnuplot_string(mean_title));
}

std::vector<std::string> titles_of(const DetMetrics& m, std::span<const std::string> names, bool with_ap) {
  std::vector<std::string> titles;
  if (m.curves.size() > kNamedClasses) return titles;
  for (const ClassCurves& c : m.curves) {
    const std::string name = class_name(names, c.cls);
    titles.push_back(with_ap ? fmt::format("{} {:.3f}", name, c.ap[0]) : name);
  }
  return titles;
}

}  // namespace

Drawn plot_curves(const DetMetrics& m, std::span<const std::string> names, const std::filesystem::path& folder,
                  const GnuplotOptions& options) {
  if (m.curves.empty()) return {false, "no curves were drawn: the images have no labels"};
  const std::vector<double> pr = mean_curve(m.curves, kPrecisionRecall.curve);
  const std::string script = script_of(kPrecisionRecall, m.curves, pr, titles_of(m, names, true),
                                       fmt::format("all classes {:.3f} mAP@0.5", m.map50));
  if (Drawn d = run_gnuplot(script, folder / kPrecisionRecall.file, options); !d) return d;
  for (const Chart& chart : kOverConfidence) {
    const std::vector<double> mean = box_filter(mean_curve(m.curves, chart.curve), kSmoothing);
    const auto best = std::max_element(mean.begin(), mean.end());
    const std::string title =
        fmt::format("all classes {:.2f} at {:.3f}", *best, curve_axis()[static_cast<std::size_t>(best - mean.begin())]);
    const std::string text = script_of(chart, m.curves, mean, titles_of(m, names, false), title);
    if (Drawn d = run_gnuplot(text, folder / chart.file, options); !d) return d;
  }
  return {};
}

}  // namespace boxcar
