// Batches of planned pictures on a GPU, emulated or real, beside those of the CPU.
#include "boxcar/trainers/engine/batch_upload.h"

#include <gtest/gtest.h>

#include "boxcar/data/loader/loader.h"
#include "boxcar/runtime/random/philox.h"
#include "boxcar/trainers/engine/batches.h"
#include "support/backends.h"

namespace boxcar {
namespace {

/// Noise pictures of different sizes, each with a polygon, so that objects can be pasted.
class Noise : public Dataset {
 public:
  std::size_t size() const override { return 11; }
  Sample get(std::size_t i) const override {
    Sample s{"noise" + std::to_string(i), {24 + int(i * 7 % 40), 64 - int(i * 5 % 30), 3, {}}, {}};
    Random random(5, i);
    s.image.pixels.resize(std::size_t(3) * s.image.height * s.image.width);
    for (auto& p : s.image.pixels) p = std::uint8_t(random.below(256));
    s.boxes.push_back({int(i), 0.5f, 0.5f, 0.6f, 0.5f});
    s.polygons.push_back({0.2f, 0.25f, 0.8f, 0.25f, 0.8f, 0.75f, 0.2f, 0.75f});
    return s;
  }
};

DataLoaderOptions options_with(bool plans) {
  DataLoaderOptions options;
  options.imgsz = 64;
  options.batch = 3;
  options.workers = 0;
  options.plans = plans;
  options.augment.mixup = 0.5;
  options.augment.copy_paste = 0.5;
  return options;
}

class BatchUploadTest : public test::BackendTest {};

// With places for all images, for some, and for none: what has no place is sent each time.
TEST_P(BatchUploadTest, PlansBecomeTheCpusPictures) {
  if (!device().is_cuda()) GTEST_SKIP() << "on the CPU the loader makes the pictures";
  const auto dataset = std::make_shared<Noise>();
  Stream cpu;
  for (const std::size_t kept : {11, 4, 0}) {
    DataLoader pictures(dataset, options_with(false)), plans(dataset, options_with(true));
    BatchUpload upload(stream(), kept);
    int made_images = 0;
    for (int epoch = 0; epoch < 3; ++epoch) {
      pictures.start_epoch(epoch);
      plans.start_epoch(epoch);
      while (const auto host = plans.next()) {
        for (const PlannedImage& image : host->planned.images) made_images += !image.index;
        const Batch got = upload(*host), want = to_device(cpu, *pictures.next());
        EXPECT_EQ(got.images.to_host(stream()), want.images.to_host(cpu)) << kept;
        const std::vector<float> boxes = got.targets.to_host(stream()), wanted = want.targets.to_host(cpu);
        ASSERT_GE(boxes.size(), wanted.size());
        EXPECT_TRUE(std::equal(wanted.begin(), wanted.end(), boxes.begin()));
        for (std::size_t i = wanted.size(); i < boxes.size(); i += 6) EXPECT_EQ(boxes[i], -1);
      }
    }
    EXPECT_GT(made_images, 0) << "objects were never pasted";
  }
}

INSTANTIATE_ON_BACKENDS(BatchUploadTest);

}  // namespace
}  // namespace boxcar
