// The progress bar of a loop, fed with counts and times; it reads no clock and writes through a function.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace boxcar {

/// "<description>: 40% ━━━━──────── 2/5 21.9it/s 0.1s<0.1s", and when finished "...: 100% ━━━━━━━━━━━━ 5/5 20.1it/s
/// 0.2s". With images counted there follows "  1380 images/s, waiting for data 1%".
class ProgressBar {
 public:
  struct Options {
    /// A terminal line is redrawn in place, at most ten times a second; anything else (a file, a pipe) gets a whole
    /// line each minute and one at the end.
    bool terminal = false;
    /// Width of the terminal; a longer line is cut, or it could not be redrawn in place. 0 = unknown, never cut.
    int columns = 0;
  };
  using Write = std::function<void(std::string_view)>;

  /// `total` steps, `now` in seconds of any clock that never goes back. Nothing is drawn before the first update().
  ProgressBar(Write write, std::int64_t total, double now, Options options);
  ProgressBar(Write write, std::int64_t total, double now) : ProgressBar(std::move(write), total, now, Options{}) {}

  /// Text in front of the bar; drawn with the next update.
  void describe(std::string description) { description_ = std::move(description); }

  /// State after `done` steps: `images` processed and `waited` seconds spent waiting for data, both since the start.
  /// Draws if it is time to.
  void update(std::int64_t done, double now, std::int64_t images = 0, double waited = 0);

  /// Draws the last state with the overall rate and ends the line. Later calls do nothing.
  void finish(double now);

  /// The line for the state of the last update().
  std::string text(double now) const;

 private:
  void draw(double now);
  double share_done() const;
  double overall_rate(double now) const;

  Write write_;
  Options options_;
  std::string description_;
  std::int64_t total_, done_ = 0, images_ = 0;
  double start_, waited_ = 0;
  double last_draw_, last_rate_time_;
  std::int64_t last_rate_done_ = 0;
  double rate_ = 0;  // steps a second, smoothed; 0 = not known yet
  bool finished_ = false;
};

}  // namespace boxcar
