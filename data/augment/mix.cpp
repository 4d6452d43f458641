#include "boxcar/data/augment/mix.h"

#include <algorithm>
#include <cmath>

namespace boxcar {
namespace {

double draw_gamma(double shape, Random& random) {
  // Below 1 the method does not hold; a draw of shape + 1 is brought down by a power of a uniform one.
  if (shape < 1) return draw_gamma(shape + 1, random) * std::pow(1.0 - random.uniform(), 1.0 / shape);
  const double d = shape - 1.0 / 3.0, c = 1.0 / std::sqrt(9.0 * d);
  for (;;) {
    const double x = random.normal(), v = std::pow(1.0 + c * x, 3);
    if (v <= 0) continue;
    const double u = 1.0 - random.uniform();
    if (std::log(u) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

bool touches(const PixelBox& box, const CutArea& a) {
  return share_inside(box, static_cast<float>(a.x1), static_cast<float>(a.y1), static_cast<float>(a.x2),
                      static_cast<float>(a.y2)) > 0;
}

}  // namespace

double draw_beta(double a, double b, Random& random) {
  const double x = draw_gamma(a, random), y = draw_gamma(b, random);
  return x / (x + y);
}

double draw_mixup_ratio(Random& random) {
  constexpr double kConcentration = 32;
  return draw_beta(kConcentration, kConcentration, random);
}

CutArea draw_cut_area(int width, int height, Random& random) {
  const double side = std::sqrt(1.0 - random.uniform());  // Beta(1, 1) is uniform
  const int half_w = static_cast<int>(width * side) / 2, half_h = static_cast<int>(height * side) / 2;
  const int x = static_cast<int>(random.below(static_cast<std::uint32_t>(width)));
  const int y = static_cast<int>(random.below(static_cast<std::uint32_t>(height)));
  return {std::max(x - half_w, 0), std::max(y - half_h, 0), std::min(x + half_w, width), std::min(y + half_h, height)};
}

std::optional<CutArea> choose_cut_area(int width, int height, std::span<const PixelBox> boxes, Random& random) {
  constexpr int kTries = 3;
  std::vector<CutArea> free;
  for (int i = 0; i < kTries; ++i) {
    const CutArea area = draw_cut_area(width, height, random);
    if (std::ranges::none_of(boxes, [&](const PixelBox& box) { return touches(box, area); })) free.push_back(area);
  }
  if (free.empty()) return std::nullopt;
  return free[random.below(static_cast<std::uint32_t>(free.size()))];
}

std::vector<PixelBox> boxes_in_cut(const PixelObjects& objects, const CutArea& area) {
  const float least_share = objects.has_outlines() ? 0.01f : 0.10f;
  const auto x1 = static_cast<float>(area.x1), y1 = static_cast<float>(area.y1);
  const auto x2 = static_cast<float>(area.x2), y2 = static_cast<float>(area.y2);
  std::vector<PixelBox> inside;
  for (const PixelBox& box : objects.boxes) {
    if (!(share_inside(box, x1, y1, x2, y2) >= least_share)) continue;
    inside.push_back({box.cls, std::clamp(box.x1, x1, x2), std::clamp(box.y1, y1, y2), std::clamp(box.x2, x1, x2),
                      std::clamp(box.y2, y1, y2)});
  }
  return inside;
}

}  // namespace boxcar
