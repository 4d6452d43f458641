#include "boxcar/kernels/render/render_table.h"

#include <cstring>

#include "boxcar/kernels/render/render_checks.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {

static_assert(sizeof(RenderPlan) % alignof(SourceImage) == 0 && alignof(RenderPlan) <= 8 && alignof(SourceImage) <= 8);
static_assert(std::is_trivially_copyable_v<SourceImage>);

std::size_t render_table_bytes(const RenderArgs& args) { return args.plans.size_bytes() + args.images.size_bytes(); }

void write_render_table(const RenderArgs& args, std::span<std::byte> table) {
  check_render_output(args);
  check_render_plans(args);
  if (table.size() < render_table_bytes(args)) {
    fail<ShapeError>("write_render_table: {} plans and {} images need {} bytes, not {}", args.plans.size(),
                     args.images.size(), render_table_bytes(args), table.size());
  }
  std::byte* const images = table.data() + args.plans.size_bytes();
  if (!args.plans.empty()) std::memcpy(table.data(), args.plans.data(), args.plans.size_bytes());
  if (!args.images.empty()) std::memcpy(images, args.images.data(), args.images.size_bytes());
}

RenderArgs render_args_at(const void* data, const RenderArgs& args) {
  const auto* plans = static_cast<const RenderPlan*>(data);
  const auto* images = reinterpret_cast<const SourceImage*>(plans + args.plans.size());
  return {{plans, args.plans.size()}, {images, args.images.size()}, args.out};
}

}  // namespace boxcar::kernels
