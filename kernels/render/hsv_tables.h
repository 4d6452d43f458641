// Colour shifts as tables.
#pragma once

#include "boxcar/kernels/render/render_plan.h"

namespace boxcar::kernels {

/// Fills the plan's tables and switches them on: with gains of 0 too the way to HSV and back changes
/// colours a little. Hue x becomes (x + 180 * gain_h) mod 180 (not negative); saturation and value x
/// become x * (1 + gain), cut to 0..255; saturation 0 stays 0, so grey stays grey. Fractions are cut off.
void set_hsv_gains(RenderPlan& plan, double gain_h, double gain_s, double gain_v);

}  // namespace boxcar::kernels
