// Steps of rendering after sampling, each over a row of pixels, in vectors; same bits as render_math.h.
//
// A row in the making holds four bytes a pixel: blue, green, red and one of no meaning.
#pragma once

#include <cstdint>

#include "boxcar/kernels/render/render_plan.h"

namespace boxcar::kernels::cpu {

/// Rows in the making have room for a multiple of so many pixels; those beyond the count are overwritten.
inline constexpr int kRowUnit = 64;

/// row = trunc(ratio * row + (1 - ratio) * other), `count` pixels.
void mix_row(double ratio, const std::uint8_t* other, int count, std::uint8_t* row);

/// Hue, saturation and value through the plan's tables, `count` pixels.
void shift_colours(const RenderPlan& plan, int count, std::uint8_t* row);

/// `count` pixels to three bytes each, mirrored and in the channel order that the plan wants.
void store_row(const RenderPlan& plan, const std::uint8_t* row, int count, std::uint8_t* out);

}  // namespace boxcar::kernels::cpu
