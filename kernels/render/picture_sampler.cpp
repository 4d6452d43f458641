#include "boxcar/kernels/render/picture_sampler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "boxcar/kernels/render/render_math.h"
#include "boxcar/kernels/render/sample_rows.h"

namespace boxcar::kernels::cpu {
namespace {

/// Rows of numbers are read and written in whole vectors.
constexpr std::size_t kSpare = 16;

/// What samplers are made of.
struct View {
  const Picture& picture;
  std::span<const SourceImage> images;
  std::uint8_t fill;
  int x1, x2;
  int width() const { return x2 - x1; }
};

void store_pixel(Bgr pixel, std::uint8_t* out) {
  out[0] = pixel.b;
  out[1] = pixel.g;
  out[2] = pixel.r;
}

bool intersect(const Tile& a, const Tile& b) { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2; }

/// Whether all of the tile shows: no later one covers a part of it.
bool is_open(const Picture& p, int tile) {
  for (int later = tile + 1; later < p.tile_count; ++later) {
    if (intersect(p.tiles[tile], p.tiles[later])) return false;
  }
  return true;
}

/// Pictures that are scaled and shifted only. The columns of all rows read the same canvas columns, so a canvas row is
/// resampled to the output's columns once and kept: neighbouring output rows share it. An output row blends two of
/// them. Shifts by whole pixels are copied.
class ScaledSampler final : public PictureSampler {
 public:
  static bool can(const View& view) {
    const float* m = view.picture.inverse;
    return !view.picture.perspective && m[1] == 0 && m[3] == 0 && is_near(canvas_x(view, view.x1)) &&
           is_near(canvas_x(view, view.x2 - 1));
  }

  explicit ScaledSampler(const View& view) : view_(view) {
    for (int x = view.x1; x < view.x2; ++x) {
      const float at = canvas_x(view, x);
      left_.push_back(floor_int(at));
      offset_.push_back(3 * left_.back());
      fx_.push_back(at - static_cast<float>(left_.back()));
    }
    fx_.resize(fx_.size() + kSpare);
    is_shift_ = view.picture.inverse[0] == 1 && fx_.front() == 0;
    for (int i = 0; i < view.picture.tile_count; ++i) {
      columns_[i] = columns_of(view.picture.tiles[i], is_open(view.picture, i));
    }
    for (KeptRow& row : kept_) row.pixels.resize(std::size_t{4} * view.width());
  }

  void row(int y, std::uint8_t* out) override {
    const float at = map_to_canvas(view_.picture, view_.x1, y).y;
    if (!is_near(at)) return fill(out);
    const int upper = floor_int(at);
    const float fy = at - static_cast<float>(upper);
    if (is_shift_ && fy == 0) return copy_row(upper, out);
    const float* above = resampled(upper);
    blend_rows(above, resampled(upper + 1), fy, view_.width(), out);
  }

 private:
  /// The columns of which a tile holds both neighbours and covers them alone, and those before and after of which it
  /// holds one.
  struct Columns {
    int touched_begin = 0, held_begin = 0, held_end = 0, touched_end = 0;
  };
  /// A canvas row at the output's columns, four floats each.
  struct KeptRow {
    int y = std::numeric_limits<int>::min();
    std::vector<float> pixels;
  };

  static float canvas_x(const View& view, int x) { return map_to_canvas(view.picture, x, 0).x; }

  void fill(std::uint8_t* out) const { std::fill_n(out, std::size_t{4} * view_.width(), view_.fill); }

  void copy_row(int y, std::uint8_t* out) const {
    fill(out);
    for (int i = 0; i < view_.picture.tile_count; ++i) {
      const Tile& t = view_.picture.tiles[i];
      const int first = std::max(t.x1 - left_.front(), 0), last = std::min(t.x2 - left_.front(), view_.width());
      if (!shows(t, y) || first >= last) continue;
      copy_pixels(pixel(t, left_.front() + first, y), last - first, out + 4 * first);
    }
  }
  const std::uint8_t* pixel(const Tile& t, int x, int y) const {
    const SourceImage& image = view_.images[t.source];
    return image.pixels + 3 * (std::ptrdiff_t{y - t.dy} * image.width + (x - t.dx));
  }

  /// Canvas columns go up or down with the output's: each of the sets is one range.
  Columns columns_of(const Tile& t, bool open) const {
    const auto range = [&](auto&& is_in) {
      const auto first = std::find_if(left_.begin(), left_.end(), is_in);
      const auto last = std::find_if_not(first, left_.end(), is_in);
      return std::pair(static_cast<int>(first - left_.begin()), static_cast<int>(last - left_.begin()));
    };
    const auto [touched, touched_end] = range([&](int x) { return x >= t.x1 - 1 && x < t.x2; });
    const auto [held, held_end] = range([&](int x) { return x >= t.x1 && x < t.x2 - 1; });
    if (held == held_end || !open) return {touched, touched_end, touched_end, touched_end};
    return {touched, held, held_end, touched_end};
  }

  const float* resampled(int y) {
    KeptRow& row = kept_[static_cast<unsigned>(y) % 2];
    if (row.y != y) resample(y, row.pixels.data());
    row.y = y;
    return row.pixels.data();
  }
  void resample(int y, float* out) {
    const int ahead = y - std::exchange(last_resampled_, y);  // as far as the last row was
    fill_gaps(y, out);
    for (int i = 0; i < view_.picture.tile_count; ++i) {
      const Tile& t = view_.picture.tiles[i];
      if (!shows(t, y)) continue;
      const Columns& c = columns_[i];
      for (int x = c.touched_begin; x < c.held_begin; ++x) blend_column(y, x, out + 4 * x);
      if (c.held_begin < c.held_end) {
        const SourceImage& image = view_.images[t.source];
        const std::int64_t pitch = std::int64_t{3} * image.width, start = (y - t.dy) * pitch - 3 * t.dx;
        blend_columns(image.pixels, start, offset_.data() + c.held_begin, fx_.data() + c.held_begin, ahead * pitch,
                      c.held_end - c.held_begin, out + 4 * c.held_begin);
      }
      for (int x = c.held_end; x < c.touched_end; ++x) blend_column(y, x, out + 4 * x);
    }
  }
  static bool shows(const Tile& t, int y) { return y >= t.y1 && y < t.y2; }
  /// Columns that no tile touches in canvas row y.
  void fill_gaps(int y, float* out) const {
    for (int x = 0; x < view_.width();) {
      int next = view_.width();
      bool touched = false;
      for (int i = 0; i < view_.picture.tile_count; ++i) {
        const Columns& c = columns_[i];
        if (!shows(view_.picture.tiles[i], y) || c.touched_end <= x) continue;
        touched = c.touched_begin <= x;
        next = touched ? c.touched_end : std::min(next, c.touched_begin);
        if (touched) break;
      }
      if (!touched) std::fill(out + 4 * x, out + 4 * next, static_cast<float>(view_.fill));
      x = next;
    }
  }
  /// Whoever owns the neighbours.
  void blend_column(int y, int x, float* out) const {
    const auto channels = [&](int at) {
      const Bgr p = canvas_pixel(view_.picture, view_.images.data(), at, y, view_.fill);
      return std::array<float, 3>{float(p.b), float(p.g), float(p.r)};
    };
    const auto left = channels(left_[x]), right = channels(left_[x] + 1);
    for (int c = 0; c < 3; ++c) out[c] = left[c] + fx_[x] * (right[c] - left[c]);
  }

  View view_;
  std::vector<int> left_;             // canvas column of each output column's left neighbour
  std::vector<std::int32_t> offset_;  // its bytes
  std::vector<float> fx_;             // the way to the right neighbour
  bool is_shift_ = false;
  std::array<Columns, kMaxTiles> columns_;
  std::array<KeptRow, 2> kept_;  // by even and odd
  int last_resampled_ = 0;
};

/// Any picture: each row is cut into runs of pixels inside one tile or outside of all; what lies between is made pixel
/// by pixel.
class FreeSampler final : public PictureSampler {
 public:
  explicit FreeSampler(const View& view)
      : view_(view), offset_(view.width() + kSpare), fx_(view.width() + kSpare), fy_(view.width() + kSpare) {
    for (int i = 0; i < view.picture.tile_count; ++i) {
      if (is_open(view.picture, i)) open_[open_count_++] = &view.picture.tiles[i];
    }
  }

  void row(int y, std::uint8_t* out) override {
    down_ = y - std::exchange(last_row_, y);
    for (int x = view_.x1, count = 0; x < view_.x2; x += count, out += std::ptrdiff_t{4} * count) {
      count = run(x, y, out);
    }
  }

 private:
  /// Makes pixels from x on; how many.
  int run(int x, int y, std::uint8_t* out) {
    const CanvasPoint at = map_to_canvas(view_.picture, x, y);
    if (const Tile* tile = find(at)) {
      const SourceImage& image = view_.images[tile->source];
      const RowPoints points{offset_.data(), fx_.data(), fy_.data()};
      const int count = points_in_tile(view_.picture, *tile, image, x, view_.x2, y, points);
      sample_points(image, points, ahead(image), count, out);
      if (count > 0) return count;
    } else if (const int count = points_outside(view_.picture, x, view_.x2, y); count > 0) {
      std::fill_n(out, std::size_t{4} * count, view_.fill);
      return count;
    }
    store_pixel(sample_canvas(view_.picture, view_.images.data(), at, view_.fill), out);
    return 1;
  }
  /// From a pixel to the one below it (or above, if rows are made that way), in bytes of the image.
  std::int64_t ahead(const SourceImage& image) const {
    const float* m = view_.picture.inverse;
    if (!is_near(m[1]) || !is_near(m[4])) return 0;
    const std::int64_t right = std::lround(m[1] * down_), below = std::lround(m[4] * down_);
    return 3 * (below * image.width + right);
  }
  const Tile* find(CanvasPoint at) const {
    const auto holds = [&](const Tile* t) {
      return at.x >= static_cast<float>(t->x1) && at.x < static_cast<float>(t->x2 - 1) &&
             at.y >= static_cast<float>(t->y1) && at.y < static_cast<float>(t->y2 - 1);
    };
    const auto end = open_.begin() + open_count_;
    const auto tile = std::find_if(open_.begin(), end, holds);
    return tile == end ? nullptr : *tile;
  }

  View view_;
  std::array<const Tile*, kMaxTiles> open_ = {};
  int open_count_ = 0;
  int last_row_ = 0, down_ = 1;
  std::vector<std::int32_t> offset_;
  std::vector<float> fx_, fy_;
};

}  // namespace

std::unique_ptr<PictureSampler> make_sampler(const Picture& picture, std::span<const SourceImage> images,
                                             std::uint8_t fill, int x1, int x2) {
  const View view{picture, images, fill, x1, x2};
  if (ScaledSampler::can(view)) return std::make_unique<ScaledSampler>(view);
  return std::make_unique<FreeSampler>(view);
}

}  // namespace boxcar::kernels::cpu
