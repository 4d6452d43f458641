#include "kernels/render_support.h"

#include <algorithm>
#include <limits>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render_table.h"

namespace boxcar::kernels {

void Images::add(int height, int width, Random& random) {
  const std::size_t bytes = std::size_t{3} * height * width;
  pixels.push_back(std::make_unique<std::uint8_t[]>(bytes));
  std::generate_n(pixels.back().get(), bytes, [&] { return std::uint8_t(random.below(256)); });
  views.push_back({pixels.back().get(), height, width});
}

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

namespace {

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

}  // namespace

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

RenderInput::RenderInput(Stream& stream, std::span<const RenderPlan> plans, std::span<const SourceImage> images,
                         const TensorView& out) {
  for (const SourceImage& image : images) {
    const Tensor& pixels = pixels_.emplace_back(Tensor::empty(stream, {1, image.height, image.width, 3}, DType::kU8));
    images_.push_back({pixels.as<std::uint8_t>(), image.height, image.width});
  }
  args_ = {plans, images_, out};
  table_ = Tensor::empty(stream, {1, 1, 1, static_cast<int>(render_table_bytes(args_))}, DType::kU8);
  replace(stream, plans);  // throws before anything is on its way
  for (std::size_t i = 0; i < images.size(); ++i) {
    stream.copy(pixels_[i].view().data, images[i].pixels, static_cast<std::size_t>(pixels_[i].count()));
  }
}

void RenderInput::replace(Stream& stream, std::span<const RenderPlan> plans) {
  const RenderArgs host{plans, images_, args_.out};
  std::vector<std::byte>& bytes = tables_.emplace_back(render_table_bytes(host));
  write_render_table(host, bytes);
  stream.copy(table_.view().data, bytes.data(), bytes.size());
  args_ = render_args_at(table_.view().data, host);
}

std::vector<float> rendered(Stream& stream, std::span<const RenderPlan> plans, std::span<const SourceImage> images,
                            DType dtype) {
  const Shape shape = plans.empty() ? Shape{0, 8, 8, 3} : Shape{int(plans.size()), plans[0].height, plans[0].width, 3};
  const Tensor out = Tensor::empty(stream, shape, dtype);
  stream.fill(out.view().data, 0xCD, static_cast<std::size_t>(out.count()) * size_of(dtype));
  const RenderInput input(stream, plans, images, out);
  render(stream, input.args());
  return out.to_host(stream);
}

}  // namespace boxcar::kernels
