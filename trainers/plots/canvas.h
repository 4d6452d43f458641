// A picture to draw on: rectangles, lines, text and other pictures, with smooth edges (Cairo).
#pragma once

#include <memory>
#include <string_view>

#include "boxcar/data/image/image.h"
#include "boxcar/trainers/plots/palette.h"

namespace boxcar {

/// Pixels from the top-left corner.
struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
};

struct TextSize {
  double width = 0, ascent = 0, descent = 0;  // pixels; above and below the base line
  double height() const { return ascent + descent; }
};

class Canvas {
 public:
  /// Sides of 1 to 32767 pixels (ArgumentError).
  Canvas(int width, int height, Color background = kWhite);
  /// A copy of a picture of one or three channels. Throws ArgumentError for an empty one.
  explicit Canvas(const Image& image);
  Canvas(Canvas&&) noexcept;
  ~Canvas();

  int width() const;
  int height() const;

  void fill(const Rect& r, Color color, double opacity = 1);
  /// The line runs centred on the rectangle's edge.
  void outline(const Rect& r, double line_width, Color color, double opacity = 1);
  void line(double x1, double y1, double x2, double y2, double line_width, Color color);
  /// `text` from (x, base line y), drawn as printable() gives it. Font size in pixels.
  void text(double x, double y, std::string_view text, double size, Color color, bool bold = false);
  /// The same turned by 90 degrees, reading upwards; (x, y) is the start of the base line.
  void text_upwards(double x, double y, std::string_view text, double size, Color color, bool bold = false);
  TextSize text_size(std::string_view text, double size, bool bold = false);
  /// Scaled to the rectangle, bilinearly (averaged when it shrinks).
  void picture(const Image& image, const Rect& to);
  /// Drawing outside does nothing until unclip().
  void clip(const Rect& r);
  void unclip();

  /// A copy of what was drawn, three channels. Throws Error if Cairo failed.
  Image image() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace boxcar
