#include "boxcar/kernels/render/render.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <vector>

#include "boxcar/kernels/render/hsv_tables.h"
#include "boxcar/kernels/render/render_math.h"
#include "boxcar/kernels/render/render_plain.h"
#include "boxcar/kernels/render/render_table.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/graph.h"
#include "kernels/render_support.h"
#include "support/backends.h"
#include "support/golden.h"
#include "support/tensors.h"

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

class RenderTest : public test::BackendTest {
 protected:
  Bytes run(const RenderPlan& plan, const std::vector<SourceImage>& images) {
    const std::vector<float> out = rendered(stream(), {&plan, 1}, images);
    return {out.begin(), out.end()};
  }
};
using RenderGolden = RenderTest;

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

TEST_P(RenderTest, ShowsOneImageInRgb) {
  const Bytes image{1, 2, 3, 4, 5, 6};
  RenderPlan plan = copy_plan(1, 2);
  plan.bgr = false;
  EXPECT_EQ(run(plan, {source_of(image, 1, 2)}), (Bytes{3, 2, 1, 6, 5, 4}));
  plan.flip_horizontal = true;
  EXPECT_EQ(run(plan, {source_of(image, 1, 2)}), (Bytes{6, 5, 4, 3, 2, 1}));
}

TEST_P(RenderTest, BlendsBorderAndSeamBetweenImages) {
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

TEST_P(RenderTest, LaterTilesCoverEarlierOnes) {
  const Bytes a(12, 10), b(3, 20);
  RenderPlan plan = copy_plan(1, 4);
  plan.picture.tile_count = 2;
  plan.picture.tiles[0] = {0, 0, 0, 4, 1, 0, 0};
  plan.picture.tiles[1] = {1, 2, 0, 3, 1, 2, 0};
  EXPECT_EQ(run(plan, {source_of(a, 1, 4), source_of(b, 1, 1)}),
            (Bytes{10, 10, 10, 10, 10, 10, 20, 20, 20, 10, 10, 10}));
}

TEST_P(RenderTest, PolesAndFarPointsShowTheFill) {
  const Bytes image(3 * 16, 7);
  RenderPlan plan = copy_plan(4, 4);
  plan.picture.perspective = true;
  for (const float last : {0.0f, std::numeric_limits<float>::quiet_NaN(), 1e-30f}) {
    plan.picture.inverse[8] = last;
    const Bytes out = run(plan, {source_of(image, 4, 4)});
    EXPECT_EQ(out[3 * 15], 114) << last;
  }
}

TEST_P(RenderTest, RefusesWhatDoesNotFit) {
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
  const RenderPlan plan = copy_plan(4, 4);
  const std::span<const RenderPlan> one{&plan, 1};
  const Tensor small = Tensor::empty(stream(), {1, 4, 3, 3}, DType::kU8);
  const Tensor right = Tensor::empty(stream(), {1, 4, 4, 3}, DType::kU8);
  const Tensor whole = Tensor::empty(stream(), {1, 4, 4, 3}, DType::kI32);
  const Tensor grey = Tensor::empty(stream(), {1, 4, 4, 1}, DType::kU8);
  EXPECT_THROW(RenderInput(stream(), one, images, small), ShapeError);
  EXPECT_THROW(render(stream(), {one, images, whole}), ShapeError);
  EXPECT_THROW(render(stream(), {one, images, grey}), ShapeError);
  EXPECT_THROW(render(stream(), {{}, images, right}), ShapeError);
  std::vector<std::byte> table(render_table_bytes({one, images, right}));
  const std::vector<SourceImage> too_large{{image.data(), 30000, 30000}};
  EXPECT_THROW(write_render_table({one, too_large, right}, table), ShapeError);
  EXPECT_THROW(write_render_table({one, images, right}, std::span(table).first(table.size() - 1)), ShapeError);
  EXPECT_NO_THROW(write_render_table({one, images, right}, table));
}

// The formula pixel by pixel, on the CPU.
std::vector<float> plainly_rendered(std::span<const RenderPlan> plans, const Images& images, DType dtype) {
  Stream stream;
  const Tensor out = Tensor::empty(stream, {int(plans.size()), plans[0].height, plans[0].width, 3}, DType::kU8);
  cpu::plain::render(stream, {plans, images.views, out});
  if (dtype == DType::kU8) return out.to_host(stream);
  const Tensor floats = Tensor::empty(stream, out.shape(), dtype);
  images_to_float(stream, {out, floats});
  return floats.to_host(stream);
}

TEST_P(RenderTest, EqualsThePlainLoopOnAnyPlan) {
  const Images images = some_images();
  Random random(11);
  const DType dtypes[] = {DType::kU8, DType::kF32, DType::kBF16};
  for (int round = 0; round < 45; ++round) {
    // Widths of a row and a row's end of every alignment, less and more than a warp.
    const int width = round % 3 == 0 ? 4 * (1 + int(random.below(20))) : 1 + int(random.below(80));
    const int height = 1 + int(random.below(40));
    const DType dtype = dtypes[round % 3 == 0 ? round / 3 % 3 : round % 3];
    const std::vector<RenderPlan> plans{any_plan(height, width, images, random),
                                        any_plan(height, width, images, random)};
    const auto got = test::run_on(device(), [&](Stream& s) { return rendered(s, plans, images.views, dtype); });
    ASSERT_EQ(got, plainly_rendered(plans, images, dtype)) << round;
  }
}

TEST_P(RenderTest, WritesIntoAnyPartOfATensor) {
  const Images images = some_images();
  Random random(5);
  for (const int width : {33, 36}) {
    const std::vector<RenderPlan> plan{any_plan(5, width, images, random)};
    const int pixels = 5 * width;
    const auto got = test::run_on(device(), [&](Stream& s) {
      // From the third pixel on: byte 6 is no multiple of four.
      const Tensor all = Tensor::empty(s, {1, 1, pixels + 3, 3}, DType::kU8);
      s.fill(all.view().data, 0xCD, std::size_t(all.count()));
      const TensorView out{all.as<std::uint8_t>() + 6, DType::kU8, 1, 5, width, 3, 3};
      const RenderInput input(s, plan, images.views, out);
      render(s, input.args());
      return all.to_host(s);
    });
    std::vector<float> want(6, 0xCD);
    test::append(want, plainly_rendered(plan, images, DType::kU8));
    want.resize(want.size() + 3, 0xCD);
    EXPECT_EQ(got, want);
  }
}

TEST_P(RenderTest, NothingToRender) {
  for (const DType dtype : {DType::kU8, DType::kF32}) {
    EXPECT_TRUE(rendered(stream(), {}, {}, dtype).empty());
    for (const auto& [height, width] : {std::pair(0, 5), std::pair(5, 0)}) {
      RenderPlan plan;
      plan.height = height;
      plan.width = width;
      EXPECT_TRUE(rendered(stream(), {&plan, 1}, {}, dtype).empty());
    }
  }
}

TEST_P(RenderTest, ARecordedBatchShowsThePlansOfTheTable) {
  if (!device().is_cuda()) GTEST_SKIP() << "the CPU records nothing";
  const Images images = some_images();
  Random random(2);
  const std::vector<RenderPlan> first{any_plan(9, 40, images, random), any_plan(9, 40, images, random)};
  const std::vector<RenderPlan> second{any_plan(9, 40, images, random), any_plan(9, 40, images, random)};
  const Tensor out = Tensor::empty(stream(), {2, 9, 40, 3}, DType::kU8);
  RenderInput input(stream(), first, images.views, out);
  stream().synchronize();
  stream().begin_capture();
  render(stream(), input.args());
  Graph graph = stream().end_capture();
  EXPECT_EQ(graph.kernels(), 1);
  graph.launch(stream());
  EXPECT_EQ(out.to_host(stream()), plainly_rendered(first, images, DType::kU8));
  input.replace(stream(), second);
  graph.launch(stream());
  EXPECT_EQ(out.to_host(stream()), plainly_rendered(second, images, DType::kU8));
}

INSTANTIATE_ON_BACKENDS(RenderTest);

TEST_P(RenderGolden, Affine) {
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

TEST_P(RenderGolden, HsvTablesAndColours) {
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

TEST(HsvGolden, BgrToHsvIsExact) {
  BOXCAR_NEED_SHARED();
  const auto tensors = test::read_golden(test::shared("golden/data/hsv.safetensors"));
  const Bytes grid = bytes_of(tensors.at("grid")), want = bytes_of(tensors.at("grid_hsv"));
  for (std::size_t i = 0; i < grid.size(); i += 3) {
    const Hsv got = bgr_to_hsv({grid[i], grid[i + 1], grid[i + 2]}, HsvReciprocals());
    ASSERT_EQ((Bytes{got.h, got.s, got.v}), Bytes(want.begin() + i, want.begin() + i + 3)) << i / 3;
  }
}

TEST_P(RenderGolden, MixupFlipsAndCutmix) {
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

INSTANTIATE_ON_BACKENDS(RenderGolden);

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
