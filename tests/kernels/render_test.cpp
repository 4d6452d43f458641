#include "boxcar/kernels/render/render.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render_math.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/runtime/base/error.h"
#include "support/golden.h"

namespace boxcar::kernels {
namespace {

using test::GoldenTensor;
using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(const GoldenTensor& t) {
  Bytes out(t.bytes.size());
  std::transform(t.bytes.begin(), t.bytes.end(), out.begin(), [](std::byte b) { return std::uint8_t(b); });
  return out;
}

SourceImage source_of(const Bytes& pixels, int h, int w) { return {pixels.data(), h, w}; }

/// A plan that shows one image as it is, in the image's channel order.
RenderPlan copy_plan(int h, int w) {
  RenderPlan plan;
  plan.height = h;
  plan.width = w;
  plan.bgr = true;
  plan.picture.tile_count = 1;
  plan.picture.tiles[0] = {0, 0, 0, w, h, 0, 0};
  return plan;
}

Bytes run(const RenderPlan& plan, const std::vector<SourceImage>& images, int threads = 1) {
  Stream stream(Device::cpu(), {threads});
  const Tensor out = Tensor::empty(stream, {1, plan.height, plan.width, 3}, DType::kU8);
  render(stream, {{&plan, 1}, images, out});
  return {out.as<std::uint8_t>(), out.as<std::uint8_t>() + out.count()};
}

struct Difference {
  int worst = 0;
  double share = 0;  // of bytes that differ
};
Difference compare(const Bytes& a, const Bytes& b) {
  if (a.size() != b.size()) return {256, 1};
  Difference d;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const int delta = std::abs(int(a[i]) - int(b[i]));
    d.worst = std::max(d.worst, delta);
    d.share += delta != 0;
  }
  d.share /= double(std::max<std::size_t>(a.size(), 1));
  return d;
}

// The inverse of a 3x3 matrix by cofactors.
void set_inverse(Picture& p, const std::vector<double>& m) {
  const double det =
      m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      const int a = (c + 1) % 3, b = (c + 2) % 3, d = (r + 1) % 3, e = (r + 2) % 3;
      p.inverse[r * 3 + c] = float((m[a * 3 + d] * m[b * 3 + e] - m[a * 3 + e] * m[b * 3 + d]) / det);
    }
  }
}

TEST(Render, ShowsOneImageInRgb) {
  const Bytes image{1, 2, 3, 4, 5, 6};
  RenderPlan plan = copy_plan(1, 2);
  plan.bgr = false;
  EXPECT_EQ(run(plan, {source_of(image, 1, 2)}), (Bytes{3, 2, 1, 6, 5, 4}));
  plan.flip_horizontal = true;
  EXPECT_EQ(run(plan, {source_of(image, 1, 2)}), (Bytes{6, 5, 4, 3, 2, 1}));
}

TEST(Render, BlendsBorderAndSeamBetweenImages) {
  // Two grey images side by side on a canvas, looked at half a pixel to the right.
  const Bytes left(3, 10), right(3, 21);
  RenderPlan plan = copy_plan(1, 3);
  plan.picture.tile_count = 2;
  plan.picture.tiles[0] = {0, 0, 0, 1, 1, 0, 0};
  plan.picture.tiles[1] = {1, 1, 0, 2, 1, 1, 0};
  plan.picture.inverse[2] = 0.5f;
  // (10+21)/2 = 15.5 rounds to even 16; (21+114)/2 = 67.5 to 68.
  EXPECT_EQ(run(plan, {source_of(left, 1, 1), source_of(right, 1, 1)}), (Bytes{16, 16, 16, 68, 68, 68, 114, 114, 114}));
}

TEST(Render, LaterTilesCoverEarlierOnes) {
  const Bytes a(12, 10), b(3, 20);
  RenderPlan plan = copy_plan(1, 4);
  plan.picture.tile_count = 2;
  plan.picture.tiles[0] = {0, 0, 0, 4, 1, 0, 0};
  plan.picture.tiles[1] = {1, 2, 0, 3, 1, 2, 0};
  EXPECT_EQ(run(plan, {source_of(a, 1, 4), source_of(b, 1, 1)}),
            (Bytes{10, 10, 10, 10, 10, 10, 20, 20, 20, 10, 10, 10}));
}

TEST(Render, PolesAndFarPointsShowTheFill) {
  const Bytes image(3 * 16, 7);
  RenderPlan plan = copy_plan(4, 4);
  plan.picture.perspective = true;
  for (const float last : {0.0f, std::numeric_limits<float>::quiet_NaN(), 1e-30f}) {
    plan.picture.inverse[8] = last;
    const Bytes out = run(plan, {source_of(image, 4, 4)});
    EXPECT_EQ(out[3 * 15], 114) << last;
  }
}

TEST(Render, RefusesWhatDoesNotFit) {
  const Bytes image(3 * 16);
  const std::vector<SourceImage> images{source_of(image, 4, 4)};
  const auto refused = [&](auto&& change) {
    RenderPlan plan = copy_plan(4, 4);
    change(plan);
    EXPECT_THROW(run(plan, images), ShapeError);
  };
  refused([](RenderPlan& p) { p.picture.tiles[0].source = 1; });
  refused([](RenderPlan& p) { p.picture.tiles[0].source = -1; });
  refused([](RenderPlan& p) { p.picture.tile_count = 10; });
  refused([](RenderPlan& p) { p.picture.tiles[0].x2 = 5; });
  refused([](RenderPlan& p) { p.picture.tiles[0].dy = 1; });
  refused([](RenderPlan& p) { p.picture.tiles[0] = {0, -1, 0, 2, 2, -1, 0}; });
  const std::vector<SourceImage> too_large{{image.data(), 30000, 30000}};
  EXPECT_THROW(run(copy_plan(4, 4), too_large), ShapeError);
  Stream stream;
  const RenderPlan plan = copy_plan(4, 4);
  const Tensor small = Tensor::empty(stream, {1, 4, 3, 3}, DType::kU8), floats = Tensor::empty(stream, {1, 4, 4, 3});
  EXPECT_THROW(render(stream, {{&plan, 1}, images, small}), ShapeError);
  EXPECT_THROW(render(stream, {{&plan, 1}, images, floats}), ShapeError);
  EXPECT_THROW(render(stream, {{}, images, floats}), ShapeError);
}

TEST(RenderGolden, Affine) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/affine.safetensors"));
  const auto cases = test::read_json(test::shared("golden/data/affine.json"))["cases"];
  ASSERT_EQ(cases.size(), 6u);
  for (const auto& c : cases) {
    const std::string i = std::to_string(c["index"].get<int>());
    const GoldenTensor& in = tensors.at("img_in_" + i);
    const Bytes image = bytes_of(in);
    const int h = int(in.shape[0]), w = int(in.shape[1]);
    RenderPlan plan = copy_plan(h, w);
    plan.width = c["size_wh"][0];
    plan.height = c["size_wh"][1];
    plan.picture.perspective = c["perspective"];
    set_inverse(plan.picture, tensors.at("M_" + i).doubles());
    const Difference d = compare(run(plan, {source_of(image, h, w)}), bytes_of(tensors.at("img_out_" + i)));
    EXPECT_LE(d.worst, 1) << i;
    EXPECT_LE(d.share, 0.0002) << i;
  }
}

TEST(RenderGolden, HsvTablesAndColours) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/hsv.safetensors"));
  const auto cases = test::read_json(test::shared("golden/data/hsv.json"))["cases"];
  ASSERT_EQ(cases.size(), 10u);
  for (const auto& c : cases) {
    const std::string i = std::to_string(c["index"].get<int>());
    const auto gain = [&](int k) { return c["r"][k].get<double>() * c["gains"][k].get<double>(); };
    RenderPlan tables;
    set_hsv_gains(tables, gain(0), gain(1), gain(2));
    EXPECT_EQ(Bytes(tables.hue, tables.hue + 256), c["lut_hue"].get<Bytes>()) << i;
    EXPECT_EQ(Bytes(tables.saturation, tables.saturation + 256), c["lut_sat"].get<Bytes>()) << i;
    EXPECT_EQ(Bytes(tables.value, tables.value + 256), c["lut_val"].get<Bytes>()) << i;
    for (const std::string name : {"grid", "picture"}) {
      const GoldenTensor& in = tensors.at(name);
      const Bytes image = bytes_of(in);
      const int h = int(in.shape[0]), w = int(in.shape[1]);
      RenderPlan plan = copy_plan(h, w);
      set_hsv_gains(plan, gain(0), gain(1), gain(2));
      const Difference d = compare(run(plan, {source_of(image, h, w)}), bytes_of(tensors.at(name + "_out_" + i)));
      EXPECT_LE(d.worst, 1) << name << i;
    }
  }
}

TEST(RenderGolden, BgrToHsvIsExact) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/hsv.safetensors"));
  const Bytes grid = bytes_of(tensors.at("grid")), want = bytes_of(tensors.at("grid_hsv"));
  for (std::size_t i = 0; i < grid.size(); i += 3) {
    const Hsv got = bgr_to_hsv({grid[i], grid[i + 1], grid[i + 2]}, HsvReciprocals());
    ASSERT_EQ((Bytes{got.h, got.s, got.v}), Bytes(want.begin() + i, want.begin() + i + 3)) << i / 3;
  }
}

TEST(RenderGolden, MixupFlipsAndCutmix) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/mix.safetensors"));
  const auto json = test::read_json(test::shared("golden/data/mix.json"));
  const Bytes a = bytes_of(tensors.at("mix_a")), b = bytes_of(tensors.at("mix_b"));
  const int h = 48, w = 56;
  RenderPlan plan = copy_plan(h, w);
  plan.mixup_picture = plan.picture;
  plan.mixup_picture.tiles[0].source = 1;
  plan.cutmix_picture = plan.mixup_picture;
  const std::vector<SourceImage> images{source_of(a, h, w), source_of(b, h, w)};
  for (int i = 0; i < 5; ++i) {
    plan.mixup = true;
    plan.mixup_ratio = json["mixup_r"][i];
    EXPECT_EQ(run(plan, images), bytes_of(tensors.at("mix_out_" + std::to_string(i)))) << i;
  }
  plan.mixup = false;
  plan.cutmix = true;
  const auto area = tensors.at("cut_area").floats();
  plan.cut_x1 = int(area[0]), plan.cut_y1 = int(area[1]), plan.cut_x2 = int(area[2]), plan.cut_y2 = int(area[3]);
  EXPECT_EQ(run(plan, images), bytes_of(tensors.at("cut_img")));

  const Bytes flip = bytes_of(tensors.at("flip_img"));
  RenderPlan mirror = copy_plan(h, w);
  mirror.flip_vertical = true;
  EXPECT_EQ(run(mirror, {source_of(flip, h, w)}), bytes_of(tensors.at("flip_vertical")));
  mirror.flip_vertical = false;
  mirror.flip_horizontal = true;
  EXPECT_EQ(run(mirror, {source_of(flip, h, w)}), bytes_of(tensors.at("flip_horizontal")));
}

TEST(ImagesToFloat, DividesBy255) {
  Stream stream;
  const Tensor x = Tensor::empty(stream, {1, 1, 2, 3}, DType::kU8);
  for (int i = 0; i < 6; ++i) x.as<std::uint8_t>()[i] = std::uint8_t(51 * i);
  const Tensor y = Tensor::empty(stream, x.shape());
  images_to_float(stream, {x, y});
  EXPECT_EQ(y.to_host(stream), (std::vector<float>{0, 51 / 255.f, 102 / 255.f, 153 / 255.f, 204 / 255.f, 1}));
  EXPECT_THROW(images_to_float(stream, {y, y}), ShapeError);
  EXPECT_THROW(images_to_float(stream, {x, Tensor::empty(stream, {1, 2, 1, 3})}), ShapeError);
}

}  // namespace
}  // namespace boxcar::kernels
