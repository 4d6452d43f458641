#include "boxcar/kernels/render/render.h"

#include <algorithm>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/render/render_math.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

void check_picture(const Picture& p, std::span<const SourceImage> images) {
  if (p.tile_count < 0 || p.tile_count > kMaxTiles) {
    fail<ShapeError>("render: a picture has {} tiles; 0 to {} are possible", p.tile_count, kMaxTiles);
  }
  for (int i = 0; i < p.tile_count; ++i) {
    const Tile& t = p.tiles[i];
    if (t.source < 0 || static_cast<std::size_t>(t.source) >= images.size()) {
      fail<ShapeError>("render: tile {} shows image {} of {}", i, t.source, images.size());
    }
    const SourceImage& image = images[t.source];
    if (t.x1 >= t.x2 || t.y1 >= t.y2) continue;
    if (t.x1 < 0 || t.y1 < 0) fail<ShapeError>("render: tile {} starts at canvas ({},{}), before 0", i, t.x1, t.y1);
    if (t.x1 < t.dx || t.y1 < t.dy || t.x2 - t.dx > image.width || t.y2 - t.dy > image.height || !image.pixels) {
      fail<ShapeError>(
          "render: tile {} covers canvas ({},{})-({},{}) with an image of {}x{} at ({},{}), which is smaller", i, t.x1,
          t.y1, t.x2, t.y2, image.width, image.height, t.dx, t.dy);
    }
  }
}

void check(const RenderArgs& args) {
  const TensorView& out = args.out;
  check_packed("render", "output", out);
  if (out.dtype != DType::kU8 || out.c != 3 || static_cast<std::size_t>(out.n) != args.plans.size()) {
    fail<ShapeError>("render: the output {} {} must be [{},H,W,3] u8", out.shape().str(), name_of(out.dtype),
                     args.plans.size());
  }
  for (const RenderPlan& plan : args.plans) {
    if (plan.height != out.h || plan.width != out.w) {
      fail<ShapeError>("render: a plan of {}x{} does not fit the output {}", plan.height, plan.width,
                       out.shape().str());
    }
    check_picture(plan.picture, args.images);
    if (plan.mixup) check_picture(plan.mixup_picture, args.images);
    if (plan.cutmix) check_picture(plan.cutmix_picture, args.images);
  }
}

}  // namespace

namespace cpu {
namespace {

/// The numbers of HsvReciprocals, looked up instead of divided.
struct HsvTable {
  int value[256], range[256];
  constexpr HsvTable() : value(), range() {
    for (int i = 0; i < 256; ++i) {
      value[i] = HsvReciprocals().of_value(i);
      range[i] = HsvReciprocals().of_range(i);
    }
  }
  int of_value(int v) const { return value[v]; }
  int of_range(int d) const { return range[d]; }
};
constexpr HsvTable kHsvTable;

bool intersect(const Tile& a, const Tile& b) { return a.x1 < b.x2 && b.x1 < a.x2 && a.y1 < b.y2 && b.y1 < a.y2; }

bool is_covered(const Picture& p, int tile) {
  for (int later = tile + 1; later < p.tile_count; ++later) {
    if (intersect(p.tiles[tile], p.tiles[later])) return true;
  }
  return false;
}

/// Reads a picture row by row. Most points have all four neighbours in the tile of the point before
/// them; only the others search the tiles for each neighbour.
class RowSampler {
 public:
  RowSampler(const Picture& picture, std::span<const SourceImage> images, std::uint8_t fill)
      : picture_(picture), images_(images), fill_(fill) {
    for (int i = 0; i < picture.tile_count; ++i) {
      if (!is_covered(picture, i)) open_[open_count_++] = &picture.tiles[i];
    }
  }

  /// Output pixels x1..x2-1 of row y, three bytes each, to out[3 * x].
  void row(int y, int x1, int x2, std::uint8_t* out) const {
    const Tile* tile = nullptr;
    for (int x = x1; x < x2; ++x) {
      const CanvasPoint at = map_to_canvas(picture_, x, y);
      if (!tile || !holds(*tile, at)) tile = find(at);
      const Bgr c = tile ? inside(*tile, at) : sample_canvas(picture_, images_.data(), at, fill_);
      out[3 * x] = c.b;
      out[3 * x + 1] = c.g;
      out[3 * x + 2] = c.r;
    }
  }

 private:
  /// Whether all four neighbours of the point lie in the tile.
  static bool holds(const Tile& t, CanvasPoint at) {
    return at.x >= static_cast<float>(t.x1) && at.x < static_cast<float>(t.x2 - 1) &&
           at.y >= static_cast<float>(t.y1) && at.y < static_cast<float>(t.y2 - 1);
  }
  const Tile* find(CanvasPoint at) const {
    for (int i = 0; i < open_count_; ++i) {
      if (holds(*open_[i], at)) return open_[i];
    }
    return nullptr;
  }
  Bgr inside(const Tile& t, CanvasPoint at) const {
    const SourceImage& image = images_[t.source];
    const int x = static_cast<int>(at.x), y = static_cast<int>(at.y);  // truncation is floor: tiles start at 0
    const std::ptrdiff_t pitch = std::ptrdiff_t{3} * image.width;
    const std::uint8_t* a = image.pixels + (y - t.dy) * pitch + 3 * (x - t.dx);
    const std::uint8_t* b = a + pitch;
    return bilinear({a[0], a[1], a[2]}, {a[3], a[4], a[5]}, {b[0], b[1], b[2]}, {b[3], b[4], b[5]},
                    at.x - static_cast<float>(x), at.y - static_cast<float>(y));
  }

  const Picture& picture_;
  std::span<const SourceImage> images_;
  std::uint8_t fill_;
  const Tile* open_[kMaxTiles] = {};
  int open_count_ = 0;
};

/// The rows of one plan; holds the row in the making.
class PlanRenderer {
 public:
  PlanRenderer(const RenderPlan& plan, std::span<const SourceImage> images)
      : plan_(plan),
        picture_(plan.picture, images, plan.fill),
        mixup_(plan.mixup_picture, images, plan.fill),
        cutmix_(plan.cutmix_picture, images, plan.fill),
        row_(std::size_t{3} * plan.width),
        other_(plan.mixup ? row_.size() : 0) {}

  void row(int y, std::uint8_t* out) {
    const int from = plan_.flip_vertical ? plan_.height - 1 - y : y;
    picture_.row(from, 0, plan_.width, row_.data());
    if (plan_.mixup) mix(from);
    if (plan_.cutmix && from >= plan_.cut_y1 && from < plan_.cut_y2) {
      cutmix_.row(from, std::max(plan_.cut_x1, 0), std::min(plan_.cut_x2, plan_.width), row_.data());
    }
    store(out);
  }

 private:
  void mix(int y) {
    mixup_.row(y, 0, plan_.width, other_.data());
    for (std::size_t i = 0; i < row_.size(); ++i) row_[i] = mix_byte(row_[i], other_[i], plan_.mixup_ratio);
  }
  void store(std::uint8_t* out) const {
    const int first = plan_.bgr ? 0 : 2, last = 2 - first;
    for (int x = 0; x < plan_.width; ++x, out += 3) {
      const std::uint8_t* from = row_.data() + std::size_t{3} * (plan_.flip_horizontal ? plan_.width - 1 - x : x);
      Bgr c{from[0], from[1], from[2]};
      if (plan_.hsv) c = shift_colour(plan_, c, kHsvTable);
      out[first] = c.b;
      out[1] = c.g;
      out[last] = c.r;
    }
  }

  const RenderPlan& plan_;
  RowSampler picture_, mixup_, cutmix_;
  std::vector<std::uint8_t> row_, other_;
};

}  // namespace

void render(Stream& stream, const RenderArgs& args) {
  const std::int64_t height = args.out.h, rows = height * args.out.n;
  const std::int64_t row_bytes = std::int64_t{3} * args.out.w;
  constexpr std::int64_t kGrain = 16;  // rows
  parallel_for(stream.threads(), rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t n = begin / height, stop = std::min(end, (n + 1) * height);
      PlanRenderer renderer(args.plans[n], args.images);
      for (; begin < stop; ++begin) {
        renderer.row(static_cast<int>(begin - n * height), args.out.as<std::uint8_t>() + begin * row_bytes);
      }
    }
  });
}

}  // namespace cpu

void render(Stream& stream, const RenderArgs& args) {
  check(args);
  BOXCAR_DISPATCH_CPU(stream, render, args);
}

}  // namespace boxcar::kernels
