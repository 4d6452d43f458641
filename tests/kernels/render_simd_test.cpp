#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render.h"
#include "boxcar/kernels/render/render_plain.h"
#include "kernels/render_support.h"
#include "support/simd.h"  // before any header of Highway

namespace boxcar::kernels {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Render = void (*)(Stream&, const RenderArgs&);

Bytes run(Render function, std::span<const RenderPlan> plans, const Images& images, int threads = 1) {
  Stream stream(Device::cpu(), {.threads = threads});
  const RenderPlan& first = plans.front();
  const Tensor out = Tensor::empty(stream, {int(plans.size()), first.height, first.width, 3}, DType::kU8);
  std::fill_n(out.as<std::uint8_t>(), out.count(), 0xCD);
  function(stream, {plans, images.views, out});
  return {out.as<std::uint8_t>(), out.as<std::uint8_t>() + out.count()};
}

int between(Random& random, int low, int high) { return low + int(random.below(std::uint32_t(high - low + 1))); }

TEST(RenderSimd, EqualsThePlainLoop) {
  const Images images = some_images();
  test::on_every_target([&] {
    Random random(7);
    for (int round = 0; round < 250; ++round) {
      const int width = round % 5 ? between(random, 1, 90) : between(random, 1, 5), height = between(random, 1, 40);
      const std::vector<RenderPlan> plans{any_plan(height, width, images, random),
                                          any_plan(height, width, images, random)};
      const Bytes plain = run(cpu::plain::render, plans, images);
      ASSERT_EQ(run(render, plans, images, 1), plain) << round;
      ASSERT_EQ(run(render, plans, images, 3), plain) << round;
    }
  });
}

TEST(RenderSimd, ShiftsEveryColourAsThePlainLoop) {
  Images images;
  Random random(1);
  images.add(256, 256 * 16, random);
  for (int i = 0, r = 0; r < 256; r += 17) {  // all of blue and green, every 17th of red
    for (int bg = 0; bg < 256 * 256; ++bg, ++i) {
      std::uint8_t* pixel = images.pixels[0].get() + 3 * i;
      pixel[0] = std::uint8_t(bg), pixel[1] = std::uint8_t(bg / 256), pixel[2] = std::uint8_t(r);
    }
  }
  RenderPlan plan;
  plan.height = images.views[0].height;
  plan.width = images.views[0].width;
  plan.picture.tile_count = 1;
  plan.picture.tiles[0] = {0, 0, 0, plan.width, plan.height, 0, 0};
  set_hsv_gains(plan, 0, 0, 0);
  const Bytes plain = run(cpu::plain::render, {&plan, 1}, images);
  test::on_every_target([&] { EXPECT_TRUE(run(render, {&plan, 1}, images) == plain); });
}

}  // namespace
}  // namespace boxcar::kernels
