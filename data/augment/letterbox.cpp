#include "boxcar/data/augment/letterbox.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

// nearbyint rounds ties to even.
int rounded(double v) { return static_cast<int>(std::nearbyint(v)); }

constexpr std::uint8_t kBorder = 114;
// Moves an exact half to one side, so that an odd border is split the same way always.
constexpr double kTieBreak = 0.1;

void check_sizes(ResizedSize size, ResizedSize target, int stride) {
  if (std::min({size.height, size.width, target.height, target.width, stride}) < 1) {
    fail<ArgumentError>("letterbox: {}x{} into {}x{} at stride {}: all must be 1 or more", size.height, size.width,
                        target.height, target.width, stride);
  }
}

}  // namespace

Letterbox letterbox_geometry(ResizedSize size, ResizedSize target, const LetterboxOptions& options) {
  check_sizes(size, target, options.stride);
  double r = std::min(double(target.height) / size.height, double(target.width) / size.width);
  if (!options.scale_up) r = std::min(r, 1.0);
  Letterbox box;
  box.inner = {std::max(rounded(size.height * r), 1), std::max(rounded(size.width * r), 1)};
  box.ratio_h = box.ratio_w = r;
  double dh = target.height - box.inner.height, dw = target.width - box.inner.width;
  if (options.shrink_to_stride) {
    dh = std::fmod(dh, options.stride);
    dw = std::fmod(dw, options.stride);
  } else if (options.scale_fill) {
    box.inner = target;
    dh = dw = 0;
    box.ratio_h = double(target.height) / size.height;
    box.ratio_w = double(target.width) / size.width;
  }
  if (options.center) dh /= 2, dw /= 2;
  box.top = options.center ? rounded(dh - kTieBreak) : 0;
  box.left = options.center ? rounded(dw - kTieBreak) : 0;
  box.bottom = rounded(dh + kTieBreak);
  box.right = rounded(dw + kTieBreak);
  return box;
}

Image letterbox_image(const Image& image, const Letterbox& geometry) {
  const Image inner = resize_bilinear(image, geometry.inner.height, geometry.inner.width);
  Image out{geometry.height(), geometry.width(), image.channels, {}};
  out.pixels.assign(std::size_t(out.height) * out.width * out.channels, kBorder);
  for (int y = 0; y < inner.height; ++y) {
    std::copy_n(inner.row(y), std::size_t(inner.width) * inner.channels,
                out.row(y + geometry.top) + std::size_t(geometry.left) * out.channels);
  }
  return out;
}

kernels::RenderPlan letterbox_plan(const Letterbox& geometry) {
  kernels::RenderPlan plan;
  plan.height = geometry.height();
  plan.width = geometry.width();
  plan.fill = kBorder;
  const auto [h, w] = geometry.inner;
  plan.picture.tile_count = 1;
  plan.picture.tiles[0] = {0,           geometry.left, geometry.top, geometry.left + w, geometry.top + h, geometry.left,
                           geometry.top};
  return plan;
}

BoxLabel letterbox_label(const BoxLabel& label, ResizedSize size, const Letterbox& geometry) {
  PixelBox box = to_pixels(label, static_cast<float>(size.width), static_cast<float>(size.height));
  const auto rx = static_cast<float>(geometry.ratio_w), ry = static_cast<float>(geometry.ratio_h);
  const auto left = static_cast<float>(geometry.left), top = static_cast<float>(geometry.top);
  box = {box.cls, box.x1 * rx + left, box.y1 * ry + top, box.x2 * rx + left, box.y2 * ry + top};
  return to_label(box, static_cast<float>(geometry.width()), static_cast<float>(geometry.height()));
}

}  // namespace boxcar
