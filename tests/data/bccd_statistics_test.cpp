// What the loader yields on real images has the reference's statistics.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/data/loader/loader.h"
#include "support/golden.h"

namespace boxcar {
namespace {

using Values = std::vector<double>;
constexpr double kErrors = 5;  // standard errors, both samples' combined
constexpr double kQuantileShare = 0.03;

struct Statistics {
  Values boxes;                        // an image
  std::array<Values, 3> class_counts;  // an image
  std::vector<Values> w, h, xc, yc;    // image by image
  std::array<Values, 3> rgb;           // means of the images
  Values grey;                         // share of pixels that are 114, 114, 114
};

void add(Statistics& s, const HostBatch& batch, int limit) {
  const auto [n, h, w, c] = batch.images.shape();
  for (int i = 0; i < n && int(s.boxes.size()) < limit; ++i) {
    for (auto* list : {&s.w, &s.h, &s.xc, &s.yc}) list->emplace_back();
    for (Values& counts : s.class_counts) counts.push_back(0);
    for (const auto& box : batch.boxes) {
      if (int(box[0]) != i) continue;
      ++s.class_counts.at(std::size_t(box[1])).back();
      s.xc.back().push_back(box[2]);
      s.yc.back().push_back(box[3]);
      s.w.back().push_back(box[4]);
      s.h.back().push_back(box[5]);
    }
    s.boxes.push_back(double(s.w.back().size()));
    const std::uint8_t* pixels = batch.images.as<std::uint8_t>() + std::int64_t{i} * h * w * c;
    double sums[3] = {}, grey = 0;
    for (int p = 0; p < h * w; ++p, pixels += 3) {
      for (int k = 0; k < 3; ++k) sums[k] += pixels[k];
      grey += pixels[0] == 114 && pixels[1] == 114 && pixels[2] == 114;
    }
    for (int k = 0; k < 3; ++k) s.rgb[k].push_back(sums[k] / (h * w));
    s.grey.push_back(grey / (h * w));
  }
}

Statistics collect(DataLoaderOptions options, int samples) {
  YoloDatasetOptions dataset_options;
  dataset_options.num_classes = 3;
  dataset_options.training = true;
  const auto dataset = std::make_shared<YoloDataset>(
      std::vector<std::filesystem::path>{test::shared("data/bccd/images/train")}, dataset_options);
  options.imgsz = 320;
  options.workers = 2;
  options.cache = ImageCache::kRam;
  options.seed = 1;
  DataLoader loader(dataset, options);
  Statistics s;
  for (int epoch = 0; int(s.boxes.size()) < samples; ++epoch) {
    loader.start_epoch(epoch);
    while (auto batch = loader.next()) add(s, *batch, samples);
  }
  return s;
}

double mean_of(const Values& v) {
  double sum = 0;
  for (const double x : v) sum += x;
  return sum / double(v.size());
}
double deviation_of(const Values& v) {
  const double mean = mean_of(v);
  double squares = 0;
  for (const double x : v) squares += (x - mean) * (x - mean);
  return std::sqrt(squares / double(v.size()));
}
double error_of(const Values& v) { return deviation_of(v) / std::sqrt(double(v.size())); }

/// Linear interpolation between order statistics.
double quantile(Values v, double q) {
  std::ranges::sort(v);
  const double at = q * double(v.size() - 1);
  const auto low = std::size_t(at);
  return v[low] + (at - double(low)) * (v[std::min(low + 1, v.size() - 1)] - v[low]);
}

Values joined(const std::vector<Values>& lists) {
  Values all;
  for (const Values& list : lists) all.insert(all.end(), list.begin(), list.end());
  return all;
}

/// Boxes of one image are alike, so the error of a mean over boxes follows from sums over images.
double error_over_boxes(const std::vector<Values>& lists, double mean) {
  double squares = 0, count = 0;
  for (const Values& list : lists) {
    double off = 0;
    for (const double x : list) off += x - mean;
    squares += off * off;
    count += double(list.size());
  }
  return std::sqrt(squares) / count;
}

void expect_near(double got, double want, double error, const std::string& what) {
  EXPECT_TRUE(std::abs(got - want) <= kErrors * error) << what << ": " << got << " for " << want << ", error " << error;
}

void expect_quantiles(const Values& values, const nlohmann::json& want, const std::string& what) {
  constexpr double kAt[] = {0.05, 0.25, 0.5, 0.75, 0.95};
  for (int i = 0; i < 5; ++i) {
    const double got = quantile(values, kAt[i]), wanted = want[i];
    EXPECT_TRUE(std::abs(got - wanted) <= kQuantileShare * wanted)
        << what << " " << kAt[i] << ": " << got << " for " << wanted;
  }
}

/// The 3 % of the other quantiles cannot be asked of counts. They are whole numbers: of the default run's 9.95, 15, 22,
/// 32 and 48 boxes one box is 10, 6.7, 4.5, 3.1 and 2.1 %. Nor do 1200 images say which number it is: the rank of a
/// median has a standard error of sqrt(0.5 * 0.5 / 1200) of the images, 2.0 % for the difference of two samples, and 3
/// % of the images hold 21 boxes, so that one standard error is 0.7 boxes or 3.1 %. (Seeds 1 to 7 here: 20, 21, 21, 22,
/// 21, 20, 21.) What is left is the bound of the means, on the ranks: among our counts the wanted quantile has its
/// rank, within 5 standard errors of both samples. Equal counts share a range of ranks.
void expect_count_quantiles(const Values& counts, const nlohmann::json& want) {
  constexpr double kAt[] = {0.05, 0.25, 0.5, 0.75, 0.95};
  const auto n = double(counts.size());
  for (int i = 0; i < 5; ++i) {
    const double p = kAt[i], value = want[i], slack = kErrors * std::sqrt(2 * p * (1 - p) / n);
    const auto below = double(std::ranges::count_if(counts, [&](double c) { return c < value; })) / n;
    const auto up_to = double(std::ranges::count_if(counts, [&](double c) { return c <= std::ceil(value); })) / n;
    EXPECT_TRUE(below <= p + slack && up_to >= p - slack)
        << p << ": " << below << " below and " << up_to << " up to " << value;
  }
}

/// The spread of a box figure: its error is that of the mean squared deviation over twice the spread.
void expect_spread(const std::vector<Values>& lists, const nlohmann::json& want, const std::string& name) {
  const double mean = mean_of(joined(lists)), spread = deviation_of(joined(lists));
  std::vector<Values> squares = lists;
  for (Values& list : squares) {
    for (double& x : list) x = (x - mean) * (x - mean);
  }
  expect_near(spread, want[name + "_std"], std::sqrt(2.0) * error_over_boxes(squares, spread * spread) / (2 * spread),
              name + " spread");
}

void expect_box_figure(const std::vector<Values>& lists, const nlohmann::json& want, const std::string& name) {
  const double mean = mean_of(joined(lists)), both = std::sqrt(2.0);  // the reference drew as many samples
  expect_near(mean, want[name + "_mean"], both * error_over_boxes(lists, mean), name);
}

void expect_reference(const std::string& name, const DataLoaderOptions& options) {
  const auto want = test::read_json(test::shared("golden/data/bccd_statistics.json"))["runs"][name];
  const Statistics s = collect(options, want["samples"]);
  expect_near(mean_of(s.boxes), want["boxes_per_image_mean"],
              std::hypot(error_of(s.boxes), want["boxes_per_image_se"].get<double>()), "boxes");
  expect_box_figure(s.w, want, "w");
  expect_box_figure(s.h, want, "h");
  expect_box_figure(s.xc, want, "xc");
  expect_box_figure(s.yc, want, "yc");
  expect_quantiles(joined(s.w), want["w_quantiles"], "w");
  expect_quantiles(joined(s.h), want["h_quantiles"], "h");
  expect_count_quantiles(s.boxes, want["boxes_per_image_quantiles"]);
  expect_spread(s.xc, want, "xc");
  expect_spread(s.yc, want, "yc");
  for (std::size_t k = 0; k < 3; ++k) {
    expect_near(mean_of(s.rgb[k]), want["rgb_mean"][k], std::hypot(error_of(s.rgb[k]), want["rgb_se"][k].get<double>()),
                "rgb");
    // The error of a standard deviation is about 1 / sqrt(2 n) of it.
    const double spread = want["rgb_std_over_images"][k];
    expect_near(deviation_of(s.rgb[k]), spread, spread / std::sqrt(double(s.boxes.size())), "rgb spread");
    const Values& counts = s.class_counts[k];
    const double n = double(counts.size());
    expect_near(mean_of(counts), want["class_counts"][k].get<double>() / n, std::sqrt(2.0) * error_of(counts), "class");
  }
  if (want.contains("grey114_fraction_mean")) {
    expect_near(mean_of(s.grey), want["grey114_fraction_mean"],
                std::hypot(error_of(s.grey), want["grey114_fraction_se"].get<double>()), "grey");
  }
}

TEST(BccdStatisticsGolden, Default) {
  BOXCAR_NEED_SHARED();
  expect_reference("default", {});
}

TEST(BccdStatisticsGolden, MosaicClosed) {
  BOXCAR_NEED_SHARED();
  DataLoaderOptions options;
  options.close_mosaic_from = 0;
  expect_reference("mosaic_closed", options);
}

TEST(BccdStatisticsGolden, Mixup) {
  BOXCAR_NEED_SHARED();
  DataLoaderOptions options;
  options.augment.mixup = 1;
  expect_reference("mixup1", options);
}

TEST(BccdStatisticsGolden, WithoutHsv) {
  BOXCAR_NEED_SHARED();
  DataLoaderOptions options;
  options.augment.hsv_h = options.augment.hsv_s = options.augment.hsv_v = 0;
  expect_reference("no_hsv", options);
}

}  // namespace
}  // namespace boxcar
