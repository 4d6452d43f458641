#include "boxcar/trainers/engine/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "boxcar/trainers/engine/console_lines.h"

namespace boxcar {
namespace {

constexpr int kCells = 12;
constexpr double kNewRateWeight = 0.3;
constexpr double kTerminalInterval = 0.1, kPlainInterval = 60;  // seconds

std::string bar_of(double share) {
  const int full = static_cast<int>(std::floor(share * kCells));
  std::string out;
  for (int i = 0; i < kCells; ++i) out += i < full ? "━" : "─";
  return out;
}

/// The first `columns` characters of UTF-8 text.
std::string_view cut(std::string_view text, int columns) {
  int seen = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins_character = (static_cast<unsigned char>(text[i]) & 0xC0) != 0x80;
    if (begins_character && seen++ == columns) return text.substr(0, i);
  }
  return text;
}

}  // namespace

ProgressBar::ProgressBar(Write write, std::int64_t total, double now, Options options)
    : write_(std::move(write)),
      options_(options),
      total_(std::max<std::int64_t>(total, 0)),
      start_(now),
      last_draw_(options.terminal ? -std::numeric_limits<double>::infinity() : now),
      last_rate_time_(now) {}

void ProgressBar::update(std::int64_t done, double now, std::int64_t images, double waited) {
  if (finished_) return;
  done_ = done;
  images_ = images;
  waited_ = waited;
  const double interval = options_.terminal ? kTerminalInterval : kPlainInterval;
  if (now - last_draw_ >= interval) draw(now);
}

void ProgressBar::finish(double now) {
  if (finished_) return;
  finished_ = true;
  draw(now);
}

void ProgressBar::draw(double now) {
  if (now > last_rate_time_ && done_ > last_rate_done_) {
    const double latest = static_cast<double>(done_ - last_rate_done_) / (now - last_rate_time_);
    rate_ = rate_ > 0 ? kNewRateWeight * latest + (1 - kNewRateWeight) * rate_ : latest;
    last_rate_time_ = now;
    last_rate_done_ = done_;
  }
  last_draw_ = now;
  if (!write_) return;
  const std::string line = text(now);
  if (!options_.terminal) return write_(line + "\n");
  const auto shown = options_.columns > 1 ? cut(line, options_.columns - 1) : std::string_view(line);
  // Back to the start of the line, the text, then clear what an older, longer one left.
  write_(fmt::format("\r{}\x1b[K{}", shown, finished_ ? "\n" : ""));
}

double ProgressBar::share_done() const {
  if (total_ == 0) return finished_ ? 1 : 0;
  return std::clamp(static_cast<double>(done_) / static_cast<double>(total_), 0.0, 1.0);
}

double ProgressBar::overall_rate(double now) const {
  return now > start_ ? static_cast<double>(done_) / (now - start_) : 0;
}

std::string ProgressBar::text(double now) const {
  const double elapsed = now - start_;
  // Integers: 29/100 of a double may come out as 28.999 %.
  const std::int64_t percent =
      total_ == 0 ? (finished_ ? 100 : 0) : std::clamp<std::int64_t>(done_ * 100 / total_, 0, 100);
  std::string out = description_.empty() ? "" : description_ + ": ";
  out += fmt::format("{}% {} {}/{}", percent, bar_of(share_done()), done_, total_);
  const double rate = finished_ ? overall_rate(now) : rate_;
  if (const std::string speed = rate_text(rate); !speed.empty()) out += " " + speed;
  out += " " + duration_text(elapsed);
  if (!finished_ && rate > 0) out += "<" + duration_text(static_cast<double>(total_ - done_) / rate);
  if (images_ > 0 && elapsed > 0) {
    const double waiting = std::clamp(waited_ / elapsed, 0.0, 1.0);
    out += fmt::format("  {:.0f} images/s, waiting for data {:.0f}%", static_cast<double>(images_) / elapsed,
                       100 * waiting);
  }
  return out;
}

}  // namespace boxcar
