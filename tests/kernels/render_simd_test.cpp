#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render.h"
#include "boxcar/kernels/render/render_plain.h"
#include "boxcar/runtime/random/philox.h"
#include "support/simd.h"  // before any header of Highway

namespace boxcar::kernels {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Render = void (*)(Stream&, const RenderArgs&);

/// Images of which each has memory of its own, so that a byte read beyond one is noticed.
struct Images {
  std::vector<std::unique_ptr<std::uint8_t[]>> pixels;
  std::vector<SourceImage> views;

  void add(int height, int width, Random& random) {
    const std::size_t bytes = std::size_t{3} * height * width;
    pixels.push_back(std::make_unique<std::uint8_t[]>(bytes));
    std::generate_n(pixels.back().get(), bytes, [&] { return std::uint8_t(random.below(256)); });
    views.push_back({pixels.back().get(), height, width});
  }
};

Images some_images() {
  Random random(3);
  Images images;
  images.add(40, 50, random);
  images.add(33, 61, random);
  images.add(1, 1, random);
  images.add(2, 90, random);
  images.add(70, 3, random);
  return images;
}

Bytes run(Render function, std::span<const RenderPlan> plans, const Images& images, int threads = 1) {
  Stream stream(Device::cpu(), {.threads = threads});
  const RenderPlan& first = plans.front();
  const Tensor out = Tensor::empty(stream, {int(plans.size()), first.height, first.width, 3}, DType::kU8);
  std::fill_n(out.as<std::uint8_t>(), out.count(), 0xCD);
  function(stream, {plans, images.views, out});
  return {out.as<std::uint8_t>(), out.as<std::uint8_t>() + out.count()};
}

int between(Random& random, int low, int high) { return low + int(random.below(std::uint32_t(high - low + 1))); }

/// Four images that touch at a point, or any number of them anywhere, in front of each other.
void place_tiles(Picture& p, const Images& images, Random& random) {
  const bool mosaic = random.below(4) != 0;
  const int x = between(random, 0, 60), y = between(random, 0, 50);
  p.tile_count = mosaic ? 4 : between(random, 0, kMaxTiles);
  for (int i = 0; i < p.tile_count; ++i) {
    const int source = between(random, 0, int(images.views.size()) - 1);
    const SourceImage& image = images.views[source];
    int left = i % 2 ? x : x - image.width, top = i / 2 ? y : y - image.height;
    if (!mosaic) left = between(random, -20, 60), top = between(random, -20, 60);
    p.tiles[i] = {source, std::max(left, 0), std::max(top, 0), left + image.width, top + image.height, left, top};
  }
}

void turn(Picture& p, Random& random) {
  for (float& m : p.inverse) m = float(random.uniform(-1.2, 1.2));
  p.inverse[2] = float(random.uniform(-20, 60));
  p.inverse[5] = float(random.uniform(-20, 40));
  for (int i = 6; i < 8; ++i) p.inverse[i] *= 0.02f;
  p.inverse[8] = 1;
}

/// Scales from a point to a picture of a few pixels, either way round.
void scale(Picture& p, Random& random) {
  const float steps[] = {1, 0.5f, 2, -1, 0, 1e-3f, 0.7312f, -1.37f, 30, 1e5f};
  p.inverse[0] = steps[random.below(10)];
  p.inverse[4] = random.below(2) ? p.inverse[0] : steps[random.below(10)];
  p.inverse[2] = float(random.uniform(-30, 80));
  p.inverse[5] = float(random.uniform(-30, 80));
}

void shift(Picture& p, Random& random) {
  p.inverse[2] = float(between(random, -30, 80));
  p.inverse[5] = float(between(random, -30, 80)) + (random.below(4) ? 0.0f : 0.25f);
}

/// Numbers that no sensible plan has.
void spoil(Picture& p, Random& random) {
  const float numbers[] = {
      std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -1e30f, 1e30f, 1e6f, 0};
  p.inverse[random.below(9)] = numbers[random.below(6)];
}

void aim(Picture& p, Random& random) {
  const auto kind = random.below(8);
  if (kind < 3) turn(p, random);
  if (kind >= 3 && kind < 6) scale(p, random);
  if (kind >= 6) shift(p, random);
  p.perspective = random.below(5) == 0;
  if (random.below(12) == 0) spoil(p, random);
}

RenderPlan any_plan(int height, int width, const Images& images, Random& random) {
  RenderPlan plan;
  plan.width = width;
  plan.height = height;
  plan.fill = std::uint8_t(random.below(256));
  for (Picture* p : {&plan.picture, &plan.mixup_picture, &plan.cutmix_picture}) {
    place_tiles(*p, images, random);
    aim(*p, random);
  }
  plan.mixup = random.below(3) == 0;
  plan.mixup_ratio = random.uniform();
  plan.cutmix = random.below(3) == 0;
  plan.cut_x1 = between(random, -5, width), plan.cut_x2 = between(random, -5, width + 5);
  plan.cut_y1 = between(random, -5, height), plan.cut_y2 = between(random, -5, height + 5);
  if (random.below(2)) set_hsv_gains(plan, random.uniform(-1, 1), random.uniform(-1, 1), random.uniform(-1, 1));
  if (random.below(4) == 0) {  // any bytes
    plan.hsv = true;
    for (auto* table : {plan.hue, plan.saturation, plan.value}) {
      std::generate_n(table, 256, [&] { return std::uint8_t(random.below(256)); });
    }
  }
  plan.flip_horizontal = random.below(2);
  plan.flip_vertical = random.below(2);
  plan.bgr = random.below(2);
  return plan;
}

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
