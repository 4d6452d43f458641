#include "boxcar/kernels/render/render_checks.h"

#include <limits>

#include "boxcar/kernels/common/dispatch.h"

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

}  // namespace

void check_render_output(const RenderArgs& args) {
  const TensorView& out = args.out;
  check_packed("render", "output", out);
  const bool known = out.dtype == DType::kU8 || out.dtype == DType::kF32 || out.dtype == DType::kBF16;
  if (!known || out.c != 3 || static_cast<std::size_t>(out.n) != args.plans.size()) {
    fail<ShapeError>("render: the output {} {} must be [{},H,W,3] u8, f32 or bf16", out.shape().str(),
                     name_of(out.dtype), args.plans.size());
  }
}

void check_render_plans(const RenderArgs& args) {
  const TensorView& out = args.out;
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

}  // namespace boxcar::kernels
