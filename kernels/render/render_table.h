// The plans and images of a batch as one block of bytes, for devices that cannot read the host's memory:
//
//   const RenderArgs host{plans, images, out};                 // the images' pixels on the device
//   std::vector<std::byte> bytes(render_table_bytes(host));    // or a place that many batches use in turn
//   write_render_table(host, bytes);
//   stream.copy(table.view().data, bytes.data(), bytes.size());
//   render(stream, render_args_at(table.view().data, host));
//
// Plans come first, so that the place of everything follows from the number of plans: a recorded step finds the next
// batch's plans where it found those of the last one, however many images they show.
#pragma once

#include <cstddef>
#include <span>

#include "boxcar/kernels/render/render.h"

namespace boxcar::kernels {

/// How many bytes write_render_table() writes.
std::size_t render_table_bytes(const RenderArgs& args);

/// Checks the args as render() on the CPU does, and writes plans and images to `table`. Throws ShapeError, also if the
/// table is too small; nothing is written then.
void write_render_table(const RenderArgs& args, std::span<std::byte> table);

/// The same args with plans and images in a table that starts at `data`, a multiple of 8 bytes.
RenderArgs render_args_at(const void* data, const RenderArgs& args);

}  // namespace boxcar::kernels
