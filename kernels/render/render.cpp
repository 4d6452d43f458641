#include "boxcar/kernels/render/render.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/render/colour_rows.h"
#include "boxcar/kernels/render/picture_sampler.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace {

constexpr std::int64_t kMostImageBytes = std::numeric_limits<std::int32_t>::max();

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
    if (std::int64_t{3} * image.width * image.height > kMostImageBytes) {
      fail<ShapeError>("render: image {} of {}x{} pixels is too large; it may have {} bytes", t.source, image.width,
                       image.height, kMostImageBytes);
    }
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

/// The rows of one plan; holds the row in the making.
class PlanRenderer {
 public:
  PlanRenderer(const RenderPlan& plan, std::span<const SourceImage> images)
      : plan_(plan),
        cut_x1_(std::clamp(plan.cut_x1, 0, plan.width)),
        cut_x2_(std::clamp(plan.cut_x2, 0, plan.width)),
        picture_(make_sampler(plan.picture, images, plan.fill, 0, plan.width)),
        row_(bytes_of_row()) {
    if (plan.mixup) {
      mixup_ = make_sampler(plan.mixup_picture, images, plan.fill, 0, plan.width);
      other_.resize(row_.size());
    }
    if (plan.cutmix && cut_x1_ < cut_x2_) {
      cutmix_ = make_sampler(plan.cutmix_picture, images, plan.fill, cut_x1_, cut_x2_);
    }
  }

  void row(int y, std::uint8_t* out) {
    const int from = plan_.flip_vertical ? plan_.height - 1 - y : y;
    picture_->row(from, row_.data());
    if (mixup_) {
      mixup_->row(from, other_.data());
      mix_row(plan_.mixup_ratio, other_.data(), plan_.width, row_.data());
    }
    if (cutmix_ && from >= plan_.cut_y1 && from < plan_.cut_y2) cutmix_->row(from, row_.data() + 4 * cut_x1_);
    if (plan_.hsv) shift_colours(plan_, plan_.width, row_.data());
    store_row(plan_, row_.data(), plan_.width, out);
  }

 private:
  std::size_t bytes_of_row() const {
    const std::size_t units = (std::size_t(plan_.width) + kRowUnit - 1) / kRowUnit;
    return units * kRowUnit * 4;
  }

  const RenderPlan& plan_;
  int cut_x1_, cut_x2_;
  std::unique_ptr<PictureSampler> picture_, mixup_, cutmix_;
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
