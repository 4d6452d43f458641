#include "boxcar/trainers/engine/console_lines.h"

#include <fmt/format.h>

#include <cmath>

namespace boxcar {
namespace {

std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto u = static_cast<unsigned char>(c);
    out += u < 0x20 || u == 0x7f ? '?' : c;
  }
  return out;
}

}  // namespace

std::string train_header(const std::vector<std::string>& loss_names) {
  std::string out = fmt::format("{:>11}{:>11}", "Epoch", "GPU_mem");
  for (const std::string& name : loss_names) out += fmt::format("{:>11}", printable(name));
  return out + fmt::format("{:>11}{:>11}", "Instances", "Size");
}

std::string train_row(const TrainRow& row) {
  std::string out = fmt::format("{:>11}{:>11}", fmt::format("{}/{}", row.epoch, row.epochs),
                                fmt::format("{:.3g}G", row.gpu_gigabytes));
  for (const double loss : row.losses) out += fmt::format("{:>11.4g}", loss);
  return out + fmt::format("{:>11.4g}{:>11.4g}", double(row.instances), double(row.size));
}

std::string val_header() {
  return fmt::format("{:>22}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}", "Class", "Images", "Instances", "Box(P", "R",
                     "mAP50", "mAP50-95)");
}

std::string val_row(const ValRow& row) {
  return fmt::format("{:>22}{:>11}{:>11}{:>11.3g}{:>11.3g}{:>11.3g}{:>11.3g}", printable(row.name), row.images,
                     row.instances, row.precision, row.recall, row.map50, row.map);
}

std::string val_speed_line(double preprocess_ms, double inference_ms, double loss_ms, double postprocess_ms) {
  return fmt::format("Speed: {:.1f}ms preprocess, {:.1f}ms inference, {:.1f}ms loss, {:.1f}ms postprocess per image",
                     preprocess_ms, inference_ms, loss_ms, postprocess_ms);
}

std::string epochs_completed_line(int epochs, double seconds) {
  return fmt::format("{} epochs completed in {:.3f} hours.", epochs, seconds / 3600);
}

std::string duration_text(double seconds) {
  if (!(seconds >= 0) || seconds > 1e9) return "?";
  // 59.96 would print as 60.0s.
  if (seconds < 59.95) return fmt::format("{:.1f}s", seconds);
  const auto whole = std::llround(seconds);
  if (whole < 3600) return fmt::format("{}:{:02}", whole / 60, whole % 60);
  return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string rate_text(double per_second) {
  if (!(per_second > 0) || !std::isfinite(per_second)) return "";
  if (per_second >= 1e6) return fmt::format("{:.1f}Mit/s", per_second / 1e6);
  if (per_second >= 1e3) return fmt::format("{:.1f}Kit/s", per_second / 1e3);
  if (per_second >= 1) return fmt::format("{:.1f}it/s", per_second);
  return fmt::format("{:.1f}s/it", 1 / per_second);
}

}  // namespace boxcar
