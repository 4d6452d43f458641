#include "boxcar/kernels/render/render_plain.h"

#include "boxcar/kernels/render/render_math.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels::cpu::plain {

void render(Stream& stream, const RenderArgs& args) {
  const TensorView& out = args.out;
  parallel_for(stream.threads(), std::int64_t{out.n} * out.h, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const RenderPlan& plan = args.plans[i / out.h];
      std::uint8_t* to = out.as<std::uint8_t>() + i * 3 * out.w;
      for (int x = 0; x < out.w; ++x, to += 3) {
        render_pixel(plan, PlainSampler{args.images.data()}, x, static_cast<int>(i % out.h), HsvReciprocals(), to);
      }
    }
  });
}

}  // namespace boxcar::kernels::cpu::plain
