// Rendering as a plain loop over pixels; the vector code is compared with it.
#pragma once

#include "boxcar/kernels/render/render.h"

namespace boxcar::kernels::cpu::plain {

void render(Stream& stream, const RenderArgs& args);

}  // namespace boxcar::kernels::cpu::plain
