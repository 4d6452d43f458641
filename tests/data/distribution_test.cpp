// The random parameters have the reference's distributions: two-sample chi-square over 20 bins at 1e-4,
// means within 5 standard errors.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/data/augment/affine.h"
#include "boxcar/data/augment/mix.h"
#include "boxcar/data/augment/mosaic.h"
#include "boxcar/data/augment/multi_scale.h"
#include "boxcar/data/augment/plan.h"
#include "support/golden.h"

namespace boxcar {
namespace {

constexpr int kDraws = 20000;
constexpr int kImgsz = 640;

/// The chi-square value that 1 in 10 000 exceeds (Wilson and Hilferty's approximation, good to 1%).
double chi_square_limit(int freedom) {
  constexpr double kNormalQuantile = 3.719;
  const double v = 2.0 / (9.0 * freedom);
  return freedom * std::pow(1 - v + kNormalQuantile * std::sqrt(v), 3);
}

/// Both samples have the same number of draws.
void expect_same_counts(const std::vector<double>& a, const std::vector<double>& b, const std::string& name) {
  double chi = 0;
  int freedom = -1;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] + b[i] == 0) continue;
    chi += (a[i] - b[i]) * (a[i] - b[i]) / (a[i] + b[i]);
    ++freedom;
  }
  EXPECT_TRUE(chi <= chi_square_limit(freedom)) << name << ": " << chi << " with " << freedom << " degrees of freedom";
}

void expect_same_distribution(const nlohmann::json& want, const std::vector<double>& draws, const std::string& name) {
  const double lo = want["lo"], hi = want["hi"], n = double(draws.size());
  std::vector<double> bins(want["bins"].size());
  double sum = 0, squares = 0;
  for (const double v : draws) {
    sum += v;
    squares += v * v;
    if (v < lo || v > hi) continue;
    ++bins[std::min(bins.size() - 1, std::size_t((v - lo) / (hi - lo) * double(bins.size())))];
  }
  expect_same_counts(bins, want["bins"].get<std::vector<double>>(), name);
  const double mean = sum / n, variance = squares / n - mean * mean, want_std = want["std"];
  const double error = std::sqrt(variance / n + want_std * want_std / want["n"].get<double>());
  EXPECT_TRUE(std::abs(mean - want["mean"].get<double>()) <= 5 * error) << name << ": mean " << mean;
}

using Samplers = std::map<std::string, std::function<double(Random&)>>;

/// The reference's full-warp figures come from a 1280 x 1280 canvas with these ranges.
double full_affine(Random& random, int row, int column) {
  AugmentOptions options;
  options.degrees = 10;
  options.shear = 5;
  options.perspective = 0.0005;
  const Matrix3 m = affine_matrix(draw_affine(options, random), 2 * kImgsz, 2 * kImgsz, kImgsz, kImgsz);
  return m[row * 3 + column] / m[8];
}

Samplers continuous_samplers() {
  const AugmentOptions defaults;
  Samplers s{
      {"mosaic_centre_x_imgsz640", [](Random& r) { return draw_mosaic_centre(kImgsz, r).x; }},
      {"mosaic_centre_y_imgsz640", [](Random& r) { return draw_mosaic_centre(kImgsz, r).y; }},
      {"affine_scale", [=](Random& r) { return draw_affine(defaults, r).scale; }},
      {"affine_trans_x_px", [=](Random& r) { return draw_affine(defaults, r).translate_x * kImgsz; }},
      {"affine_trans_y_px", [=](Random& r) { return draw_affine(defaults, r).translate_y * kImgsz; }},
      {"hsv_gain_h", [=](Random& r) { return draw_hsv_gains(defaults, r).h; }},
      {"hsv_gain_s", [=](Random& r) { return draw_hsv_gains(defaults, r).s; }},
      {"hsv_gain_v", [=](Random& r) { return draw_hsv_gains(defaults, r).v; }},
      {"mixup_r", [](Random& r) { return draw_mixup_ratio(r); }},
  };
  for (const int row : {0, 1, 2}) {
    for (const int column : {0, 1}) {
      s["full_affine_normalised_M" + std::to_string(row) + std::to_string(column)] = [=](Random& r) {
        return full_affine(r, row, column);
      };
    }
  }
  const auto cut = [](auto&& figure) {
    return [figure](Random& r) -> double { return figure(draw_cut_area(kImgsz, kImgsz, r)); };
  };
  s["cutmix_w"] = cut([](CutArea a) { return a.x2 - a.x1; });
  s["cutmix_h"] = cut([](CutArea a) { return a.y2 - a.y1; });
  s["cutmix_x1"] = cut([](CutArea a) { return a.x1; });
  s["cutmix_area_fraction"] = cut([](CutArea a) { return double(a.x2 - a.x1) * (a.y2 - a.y1) / (kImgsz * kImgsz); });
  return s;
}

TEST(DistributionGolden, ContinuousParameters) {
  BOXCAR_NEED_SHARED();
  const auto parameters = test::read_json(test::shared("golden/data/distributions.json"))["parameters"];
  // Tested by the tests below.
  std::set<std::string> left{"fliplr_rate_p0.5", "multi_scale_0.1", "multi_scale_0.25", "multi_scale_0.5"};
  const Samplers samplers = continuous_samplers();
  for (const auto& [name, want] : parameters.items()) {
    if (left.erase(name)) continue;
    ASSERT_TRUE(samplers.contains(name)) << name;
    std::vector<double> draws;
    for (int i = 0; i < kDraws; ++i) {
      Random random = sample_random(11, 3, i);  // as samples are drawn: one generator each
      draws.push_back(samplers.at(name)(random));
    }
    expect_same_distribution(want, draws, name);
  }
  EXPECT_TRUE(left.empty());
}

TEST(DistributionGolden, MultiScaleSizes) {
  BOXCAR_NEED_SHARED();
  const auto parameters = test::read_json(test::shared("golden/data/distributions.json"))["parameters"];
  for (const std::string fraction : {"0.1", "0.25", "0.5"}) {
    const auto& want = parameters["multi_scale_" + fraction];
    std::map<int, double> counts;
    for (const int size : want["sizes"]) counts[size] = 0;
    for (int i = 0; i < kDraws; ++i) {
      Random random = multi_scale_random(5, i / 100, i % 100);
      ++counts[draw_multi_scale_size(kImgsz, std::stod(fraction), 32, random)];
    }
    std::vector<double> bins;
    for (const auto& [size, count] : counts) bins.push_back(count);
    ASSERT_EQ(bins.size(), want["sizes"].size()) << fraction;
    expect_same_counts(bins, want["counts"].get<std::vector<double>>(), fraction);
  }
}

/// Plans over four equal images without boxes.
PlannedSample plan_of(const AugmentOptions& options, int i) {
  const std::vector<std::size_t> all{0, 1, 2, 3};
  const PlanSources sources{all, [&](std::size_t) { return PlanSource{{options.imgsz, options.imgsz}, {}}; }};
  Random random = sample_random(2, 1, i);
  return draw_plan(options, options.imgsz, options.imgsz, i % 4, sources, random);
}

TEST(Distribution, EventsHappenAsOftenAsTheirProbability) {
  AugmentOptions options;
  options.imgsz = 64;
  options.mosaic = 0.7;
  options.mixup = 0.2;
  options.flipud = 0.1;
  options.fliplr = 0.5;
  options.bgr = 0.3;
  std::map<std::string, int> counts;
  std::map<std::size_t, int> partners;
  for (int i = 0; i < kDraws; ++i) {
    const PlannedSample s = plan_of(options, i);
    counts["mosaic"] += s.plan.picture.tile_count == 4;
    counts["mixup"] += s.plan.mixup;
    counts["flipud"] += s.plan.flip_vertical;
    counts["fliplr"] += s.plan.flip_horizontal;
    counts["bgr"] += s.plan.bgr;
    EXPECT_EQ(std::get<std::size_t>(s.images[0]), std::size_t(i % 4));
    for (std::size_t k = 1; k < s.images.size(); ++k) ++partners[std::get<std::size_t>(s.images[k])];
  }
  const auto near = [](double count, double n, double p, const std::string& what) {
    EXPECT_TRUE(std::abs(count - n * p) <= 5 * std::sqrt(n * p * (1 - p))) << what << " " << count / n;
  };
  near(counts["mosaic"], kDraws, 0.7, "mosaic");
  near(counts["mixup"], kDraws, 0.2, "mixup");
  near(counts["flipud"], kDraws, 0.1, "flipud");
  near(counts["fliplr"], kDraws, 0.5, "fliplr");
  near(counts["bgr"], kDraws, 0.3, "bgr");
  double all = 0;
  for (const auto& [index, count] : partners) all += count;
  for (const auto& [index, count] : partners) near(count, all, 0.25, "partner");
}

TEST(Distribution, ClosedMosaicLeavesOneImageAWarpAndColours) {
  AugmentOptions options;
  options.imgsz = 64;
  options.mixup = options.cutmix = 1;
  options.mosaic_closed = true;
  for (int i = 0; i < 100; ++i) {
    const PlannedSample s = plan_of(options, i);
    EXPECT_EQ(s.images.size(), 1u);
    EXPECT_FALSE(s.plan.mixup || s.plan.cutmix);
    EXPECT_TRUE(s.plan.hsv);
  }
  options.hsv_h = options.hsv_s = options.hsv_v = 0;
  EXPECT_FALSE(plan_of(options, 0).plan.hsv);
}

}  // namespace
}  // namespace boxcar
