// What render() asks of its arguments.
#pragma once

#include "boxcar/kernels/render/render.h"

namespace boxcar::kernels {

/// Throws ShapeError unless the output is of a kind that can be rendered to and has a picture for each plan. Reads no
/// plan.
void check_render_output(const RenderArgs& args);

/// Throws ShapeError unless every plan fits the output and its tiles their images. Plans and images in host memory.
void check_render_plans(const RenderArgs& args);

}  // namespace boxcar::kernels
