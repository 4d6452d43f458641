// Making pictures on one thread, the plain loop beside the vector code: run with
// --benchmark_enable_random_interleaving=true --benchmark_repetitions=5.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render.h"
#include "boxcar/kernels/render/render_plain.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar::kernels {
namespace {

using Render = void (*)(Stream&, const RenderArgs&);

constexpr int kSide = 640, kImages = 16, kPlans = 32;

/// Smooth pictures with some noise: neighbouring pixels of photographs are alike, too.
std::vector<std::vector<std::uint8_t>> make_images() {
  Random random(1);
  std::vector<std::vector<std::uint8_t>> images(kImages);
  for (auto& image : images) {
    const int phase = static_cast<int>(random.below(256));
    for (int i = 0; i < kSide * kSide * 3; ++i) {
      const int x = i / 3 % kSide, y = i / 3 / kSide;
      image.push_back(
          static_cast<std::uint8_t>(phase + x / 4 + y / 3 + i % 3 * 40 + static_cast<int>(random.below(8))));
    }
  }
  return images;
}

/// A mosaic of four under the default augmentation: scale and shift, no rotation.
void place_mosaic(RenderPlan& plan, Random& random) {
  const int x = kSide / 2 + static_cast<int>(random.below(kSide)),
            y = kSide / 2 + static_cast<int>(random.below(kSide));
  plan.picture.tile_count = 4;
  for (int i = 0; i < 4; ++i) {
    const int left = i % 2 ? x : x - kSide, top = i / 2 ? y : y - kSide;
    const auto right = std::min(left + kSide, 2 * kSide), bottom = std::min(top + kSide, 2 * kSide);
    plan.picture.tiles[i] = {
        static_cast<int>(random.below(kImages)), std::max(left, 0), std::max(top, 0), right, bottom, left, top};
  }
  const double step = 1 / random.uniform(0.5, 1.5);
  float* m = plan.picture.inverse;
  m[0] = m[4] = static_cast<float>(step);
  m[2] = static_cast<float>(kSide - step * kSide * random.uniform(0.4, 0.6));
  m[5] = static_cast<float>(kSide - step * kSide * random.uniform(0.4, 0.6));
  plan.flip_horizontal = random.below(2) != 0;
}

void turn(RenderPlan& plan, Random& random) {
  float* m = plan.picture.inverse;
  const double angle = random.uniform(-0.17, 0.17), step = m[0];
  m[0] = m[4] = static_cast<float>(step * std::cos(angle));
  m[3] = static_cast<float>(step * std::sin(angle));
  m[1] = -m[3];
}

void letterbox(RenderPlan& plan) {
  plan.picture.tile_count = 1;
  plan.picture.tiles[0] = {0, 0, 80, kSide, 560, 0, 80};
}

enum class Kind { kMosaic, kMosaicNoColours, kMosaicTurned, kLetterbox };

std::vector<RenderPlan> make_plans(Kind kind) {
  Random random(2);
  std::vector<RenderPlan> plans(kPlans);
  for (RenderPlan& plan : plans) {
    plan.width = plan.height = kSide;
    if (kind == Kind::kLetterbox) {
      letterbox(plan);
      continue;
    }
    place_mosaic(plan, random);
    if (kind == Kind::kMosaicTurned) turn(plan, random);
    if (kind != Kind::kMosaicNoColours) set_hsv_gains(plan, 0.01, random.uniform(-0.7, 0.7), random.uniform(-0.4, 0.4));
  }
  return plans;
}

void pictures(benchmark::State& state, Render function, Kind kind) {
  Stream stream(Device::cpu(), {.threads = 1});
  static const auto images = make_images();
  std::vector<SourceImage> sources;
  for (const auto& image : images) sources.push_back({image.data(), kSide, kSide});
  const auto plans = make_plans(kind);
  const Tensor out = Tensor::zeros(stream, {1, kSide, kSide, 3}, DType::kU8);
  std::size_t next = 0;
  for ([[maybe_unused]] auto unused : state) {
    function(stream, {{&plans[next % kPlans], 1}, sources, out});
    ++next;
  }
  state.SetItemsProcessed(state.iterations());
}

#define BOXCAR_RENDER_BENCH(name, kind)                                                               \
  BENCHMARK_CAPTURE(pictures, name##_plain, cpu::plain::render, kind)->Unit(benchmark::kMicrosecond); \
  BENCHMARK_CAPTURE(pictures, name##_simd, render, kind)->Unit(benchmark::kMicrosecond)

BOXCAR_RENDER_BENCH(mosaic, Kind::kMosaic);
BOXCAR_RENDER_BENCH(mosaic_without_hsv, Kind::kMosaicNoColours);
BOXCAR_RENDER_BENCH(mosaic_turned, Kind::kMosaicTurned);
BOXCAR_RENDER_BENCH(letterbox, Kind::kLetterbox);

}  // namespace
}  // namespace boxcar::kernels

BENCHMARK_MAIN();
