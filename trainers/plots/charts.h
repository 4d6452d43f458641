// The charts of a run: curves, confusion matrices, losses and metrics over the epochs. gnuplot draws them;
// where it is not installed the answer says so.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "boxcar/trainers/metrics/confusion_matrix.h"
#include "boxcar/trainers/metrics/det_metrics.h"
#include "boxcar/trainers/plots/gnuplot.h"

namespace boxcar {

/// BoxPR_curve.png, BoxF1_curve.png, BoxP_curve.png and BoxR_curve.png in `folder`, which must exist: a thin line
/// a class (named up to 20 classes, else grey) and a thick one for the mean. Nothing is drawn without labels.
Drawn plot_curves(const DetMetrics& metrics, std::span<const std::string> names, const std::filesystem::path& folder,
                  const GnuplotOptions& options = {});

/// Counts, or with `normalized` shares of each column; cells below 0.005 stay blank. From 100 classes on only
/// every (nc / 60)-th, at least every second, class is shown, and the background.
Drawn plot_confusion_matrix(const ConfusionMatrix& matrix, std::span<const std::string> names, bool normalized,
                            const std::filesystem::path& png, const GnuplotOptions& options = {});

/// results.png from results.csv: a panel for each column with "loss" or "metric" in its name, with a smoothed line.
Drawn plot_results(const std::filesystem::path& csv, const std::filesystem::path& png,
                   const GnuplotOptions& options = {});

}  // namespace boxcar
