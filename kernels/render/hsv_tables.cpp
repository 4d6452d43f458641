#include "boxcar/kernels/render/hsv_tables.h"

#include <algorithm>
#include <cmath>

namespace boxcar::kernels {
namespace {

std::uint8_t shifted_hue(int x, double gain) {
  const double shifted = std::fmod(x + gain * 180.0, 180.0);
  return static_cast<std::uint8_t>(shifted < 0 ? shifted + 180.0 : shifted);
}

std::uint8_t scaled(int x, double gain) { return static_cast<std::uint8_t>(std::clamp(x * (gain + 1.0), 0.0, 255.0)); }

}  // namespace

void set_hsv_gains(RenderPlan& plan, double gain_h, double gain_s, double gain_v) {
  plan.hsv = true;
  for (int x = 0; x < 256; ++x) {
    plan.hue[x] = shifted_hue(x, gain_h);
    plan.saturation[x] = scaled(x, gain_s);
    plan.value[x] = scaled(x, gain_v);
  }
}

}  // namespace boxcar::kernels
