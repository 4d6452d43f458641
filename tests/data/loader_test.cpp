#include "boxcar/data/loader/loader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {
namespace {

/// Noise pictures of different sizes with a box or two; chosen ones fail.
class Noise : public Dataset {
 public:
  explicit Noise(std::size_t count, std::set<std::size_t> broken = {}, std::set<std::size_t> rude = {})
      : count_(count), broken_(std::move(broken)), rude_(std::move(rude)) {}
  std::size_t size() const override { return count_; }
  Sample get(std::size_t i) const override {
    ++reads;
    if (broken_.contains(i)) fail<DataError>("noise {} is broken", i);
    if (rude_.contains(i)) throw std::logic_error("rude");
    Sample s{"noise" + std::to_string(i), {20 + int(i * 7 % 40), 64 - int(i * 5 % 30), 3, {}}, {}};
    Random random(99, i);
    s.image.pixels.resize(std::size_t(3) * s.image.height * s.image.width);
    for (auto& p : s.image.pixels) p = std::uint8_t(random.below(256));
    s.boxes.push_back({int(i), 0.5f, 0.5f, 0.6f, 0.5f});
    if (i % 2) s.boxes.push_back({int(i), 0.25f, 0.3f, 0.2f, 0.3f});
    return s;
  }
  mutable std::atomic<int> reads = 0;

 private:
  std::size_t count_;
  std::set<std::size_t> broken_, rude_;
};

DataLoaderOptions small_options() {
  DataLoaderOptions options;
  options.imgsz = 64;
  options.batch = 4;
  options.workers = 0;
  options.augment.mixup = 0.3;
  options.augment.cutmix = 0.5;
  return options;
}

std::vector<HostBatch> read_epoch(DataLoader& loader, int epoch) {
  loader.start_epoch(epoch);
  std::vector<HostBatch> batches;
  while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  return batches;
}

std::vector<std::uint8_t> bytes_of(const Tensor& t) { return {t.as<std::uint8_t>(), t.as<std::uint8_t>() + t.count()}; }

void expect_equal(const std::vector<HostBatch>& a, const std::vector<HostBatch>& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(bytes_of(a[i].images), bytes_of(b[i].images)) << what << i;
    EXPECT_EQ(a[i].boxes, b[i].boxes) << what << i;
    ASSERT_EQ(a[i].infos.size(), b[i].infos.size()) << what << i;
    for (std::size_t k = 0; k < a[i].infos.size(); ++k) EXPECT_EQ(a[i].infos[k].path, b[i].infos[k].path) << what << i;
  }
}

TEST(DataLoader, EpochHoldsEveryImageOnceAndTheLastPartialBatch) {
  DataLoader loader(std::make_shared<Noise>(10), small_options());
  EXPECT_EQ(loader.batches(), 3);
  const auto batches = read_epoch(loader, 0);
  ASSERT_EQ(batches.size(), 3u);
  EXPECT_EQ(batches[0].images.shape(), (Shape{4, 64, 64, 3}));
  EXPECT_EQ(batches[2].images.shape(), (Shape{2, 64, 64, 3}));
  EXPECT_EQ(batches[2].number, 2);
  std::set<std::size_t> seen;
  for (const auto& batch : batches) {
    for (const auto& info : batch.infos) seen.insert(info.index);
    for (const auto& box : batch.boxes) {
      EXPECT_TRUE(box[0] >= 0 && box[0] < float(batch.infos.size()));
      EXPECT_TRUE(box[2] - box[4] / 2 >= -1e-6 && box[2] + box[4] / 2 <= 1 + 1e-6);
      EXPECT_TRUE(box[3] - box[5] / 2 >= -1e-6 && box[3] + box[5] / 2 <= 1 + 1e-6);
    }
  }
  EXPECT_EQ(seen.size(), 10u);
  EXPECT_FALSE(loader.next());
  EXPECT_EQ(loader.stats().images, 10);
  EXPECT_EQ(loader.stats().batches, 3);
}

TEST(DataLoader, BatchIsAtMostTheDataSet) {
  auto options = small_options();
  options.batch = 64;
  DataLoader loader(std::make_shared<Noise>(3), options);
  const auto batches = read_epoch(loader, 0);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].images.shape().n, 3);
}

TEST(DataLoader, PlansRenderToTheSamePictures) {
  const auto dataset = std::make_shared<Noise>(13);
  DataLoader pictures(dataset, small_options());
  Stream stream;
  for (const int workers : {0, 3}) {
    auto options = small_options();
    options.workers = workers;
    options.plans = true;
    DataLoader plans(dataset, options);
    for (int epoch = 0; epoch < 2; ++epoch) {
      std::vector<HostBatch> rendered;
      for (HostBatch& batch : read_epoch(plans, epoch)) {
        EXPECT_FALSE(batch.images);
        std::set<std::optional<std::size_t>> seen;
        for (const PlannedImage& image : batch.planned.images) EXPECT_TRUE(seen.insert(image.index).second);
        rendered.push_back(with_pictures(stream, std::move(batch)));
      }
      expect_equal(rendered, read_epoch(pictures, epoch), "plans");
    }
  }
}

TEST(DataLoader, ValidationHasNoPlans) {
  auto options = small_options();
  options.training = false;
  options.plans = true;
  EXPECT_THROW(DataLoader(std::make_shared<Noise>(3), options), ArgumentError);
}

TEST(DataLoader, WorkersCachesAndStartingPointsDoNotShow) {
  const auto dataset = std::make_shared<Noise>(13);
  DataLoader plain(dataset, small_options());
  std::vector<std::vector<HostBatch>> want;
  for (int epoch = 0; epoch < 3; ++epoch) want.push_back(read_epoch(plain, epoch));
  for (const int workers : {1, 3, 8}) {
    for (const auto cache : {ImageCache::kNone, ImageCache::kRam}) {
      auto options = small_options();
      options.workers = workers;
      options.cache = cache;
      options.cache_bytes = 20000;  // about two images
      options.prefetch = workers;
      DataLoader loader(dataset, options);
      for (const int epoch : {1, 2, 0, 1}) {  // straight on, back, on
        expect_equal(read_epoch(loader, epoch), want[epoch], "workers " + std::to_string(workers) + " batch ");
      }
    }
  }
}

// Each image is read once an epoch, although mosaics show four: their partners are still in memory.
TEST(DataLoader, LargeDataSetsAreReadOnceAnEpoch) {
  const auto dataset = std::make_shared<Noise>(3000);
  auto options = small_options();
  options.cache_bytes = std::size_t{1100} * 3 * 64 * 64;
  DataLoader loader(dataset, options);
  int before = 0;
  for (int epoch = 0; epoch < 2; ++epoch) {
    loader.start_epoch(epoch);
    while (loader.next()) {
    }
    const int first_partners = epoch == 0 ? 1000 : 0;  // the last images of the epoch that was not
    EXPECT_LE(dataset->reads - before, 3000 + first_partners);
    before = dataset->reads;
  }
}

TEST(DataLoader, AnEpochCanBeLeftInTheMiddle) {
  auto options = small_options();
  options.workers = 2;
  DataLoader loader(std::make_shared<Noise>(13), options);
  const auto want = read_epoch(loader, 1);
  for (int i = 0; i < 20; ++i) {
    loader.start_epoch(0);
    loader.next();
    if (i % 2) loader.next();
  }
  expect_equal(read_epoch(loader, 1), want, "batch ");
}

TEST(DataLoader, EpochsAndSeedsDiffer) {
  const auto dataset = std::make_shared<Noise>(8);
  auto options = small_options();
  DataLoader a(dataset, options);
  options.seed = 1;
  DataLoader b(dataset, options);
  const auto first = bytes_of(read_epoch(a, 0)[0].images);
  EXPECT_NE(first, bytes_of(read_epoch(a, 1)[0].images));
  EXPECT_NE(first, bytes_of(read_epoch(b, 0)[0].images));
}

TEST(DataLoader, MosaicClosesExactlyAtItsEpoch) {
  const auto dataset = std::make_shared<Noise>(12);
  auto open_options = small_options(), closed_options = small_options();
  closed_options.augment.mosaic = closed_options.augment.mixup = closed_options.augment.cutmix = 0;
  DataLoader open(dataset, open_options), never(dataset, closed_options);
  auto options = small_options();
  options.workers = 3;
  options.prefetch = 8;  // more than two epochs ahead
  options.close_mosaic_from = 2;
  DataLoader loader(dataset, options);
  for (const int epoch : {0, 1, 2, 3}) {
    expect_equal(read_epoch(loader, epoch), read_epoch(epoch < 2 ? open : never, epoch),
                 "epoch " + std::to_string(epoch) + " ");
  }
  // Closing late: what was made ahead with mosaic is dropped.
  options.close_mosaic_from = 100;
  DataLoader late(dataset, options);
  expect_equal(read_epoch(late, 0), read_epoch(open, 0), "before ");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  late.close_mosaic_from(1);
  expect_equal(read_epoch(late, 1), read_epoch(never, 1), "after ");
}

TEST(DataLoader, ValidationIsInOrderOrSortedByAspect) {
  const auto dataset = std::make_shared<Noise>(7);
  auto options = small_options();
  options.training = false;
  options.workers = 2;
  DataLoader square(dataset, options);
  std::size_t next = 0;
  for (const auto& batch : read_epoch(square, 0)) {
    EXPECT_EQ(batch.images.shape().h, 64);
    for (const auto& info : batch.infos) EXPECT_EQ(info.index, next++);
  }
  options.rect = true;
  DataLoader rect(dataset, options);
  double last = 0;
  for (const auto& batch : read_epoch(rect, 0)) {
    EXPECT_EQ(batch.images.shape().h % 32, 0);
    for (const auto& info : batch.infos) {
      const double aspect = double(info.original.height) / info.original.width;
      EXPECT_GE(aspect, last);
      last = aspect;
      EXPECT_GE(info.pad_x, 0);
    }
  }
  expect_equal(read_epoch(rect, 0), read_epoch(rect, 0), "again ");
}

TEST(DataLoader, RectTrainingHasNoMosaicAndKeepsItsOrder) {
  auto options = small_options();
  options.rect = true;
  options.augment.hsv_h = options.augment.hsv_s = options.augment.hsv_v = 0;
  DataLoader loader(std::make_shared<Noise>(9), options);
  const auto first = read_epoch(loader, 0), second = read_epoch(loader, 1);
  for (std::size_t i = 0; i < first.size(); ++i) {
    EXPECT_EQ(first[i].images.shape(), second[i].images.shape());
    for (std::size_t k = 0; k < first[i].infos.size(); ++k) {
      EXPECT_EQ(first[i].infos[k].index, second[i].infos[k].index);
      for (const auto& box : first[i].boxes) {  // only the picture's own class
        EXPECT_EQ(box[1], float(first[i].infos[std::size_t(box[0])].index));
      }
    }
  }
}

TEST(DataLoader, RanksTogetherReadWhatOneRankReads) {
  const auto dataset = std::make_shared<Noise>(12);
  auto options = small_options();
  DataLoader one(dataset, options);
  options.batch = 2;
  options.ranks = 2;
  DataLoader a(dataset, options);
  options.rank = 1;
  DataLoader b(dataset, options);
  const auto all = read_epoch(one, 4), first = read_epoch(a, 4), second = read_epoch(b, 4);
  ASSERT_EQ(first.size(), all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::set<std::size_t> want, got;
    for (const auto& info : all[i].infos) want.insert(info.index);
    for (const auto* part : {&first[i], &second[i]}) {
      for (const auto& info : part->infos) got.insert(info.index);
    }
    EXPECT_EQ(got, want);
  }
}

TEST(DataLoader, UnreadableImagesAreReplacedByTheNextAndNamedOnce) {
  std::mutex mutex;
  std::vector<std::string> warnings;
  const Log log([&](LogLevel level, std::string_view text) {
    std::lock_guard lock(mutex);
    if (level == LogLevel::kWarning) warnings.emplace_back(text);
  });
  const auto dataset = std::make_shared<Noise>(6, std::set<std::size_t>{1, 2});
  auto options = small_options();
  options.training = false;
  options.workers = 4;
  DataLoader loader(dataset, options, log);
  for (int round = 0; round < 2; ++round) {
    std::vector<std::size_t> indices;
    for (const auto& batch : read_epoch(loader, 0)) {
      for (const auto& info : batch.infos) indices.push_back(info.index);
    }
    EXPECT_EQ(indices, (std::vector<std::size_t>{0, 3, 3, 3, 4, 5}));
  }
  EXPECT_EQ(warnings.size(), 2u);
  for (const auto& w : warnings) EXPECT_NE(w.find("is broken"), std::string::npos) << w;
}

TEST(DataLoader, NothingReadableIsAnError) {
  auto options = small_options();
  options.workers = 2;
  DataLoader loader(std::make_shared<Noise>(2, std::set<std::size_t>{0, 1}), options);
  loader.start_epoch(0);
  EXPECT_THROW(loader.next(), DataError);
}

TEST(DataLoader, OtherExceptionsSurfaceInNextAndTheRestCanBeRead) {
  for (const int workers : {0, 3}) {
    auto options = small_options();
    options.training = false;
    options.workers = workers;
    DataLoader loader(std::make_shared<Noise>(12, std::set<std::size_t>{}, std::set<std::size_t>{5, 6}), options);
    loader.start_epoch(0);
    EXPECT_TRUE(loader.next());
    EXPECT_THROW(loader.next(), std::logic_error);
    EXPECT_TRUE(loader.next());
    EXPECT_FALSE(loader.next());
  }
  auto options = small_options();
  options.cache = ImageCache::kRam;
  options.workers = 3;
  EXPECT_THROW(DataLoader(std::make_shared<Noise>(12, std::set<std::size_t>{}, std::set<std::size_t>{5}), options),
               std::logic_error);
}

TEST(DataLoader, RamCacheReadsEachImageOnceUnlessMemoryIsShort) {
  const auto dataset = std::make_shared<Noise>(9);
  auto options = small_options();
  options.workers = 2;
  options.cache = ImageCache::kRam;
  {
    DataLoader loader(dataset, options);
    const int after = dataset->reads;
    read_epoch(loader, 0);
    EXPECT_EQ(dataset->reads, after);
    EXPECT_EQ(loader.stats().cache_misses, 9);
  }
  std::vector<std::string> warnings;
  options.memory_bytes = 1000;
  options.cache_bytes = 0;
  options.workers = 0;
  DataLoader loader(dataset, options, Log([&](LogLevel, std::string_view text) { warnings.emplace_back(text); }));
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("cache=ram"), std::string::npos);
  const int before = dataset->reads;
  read_epoch(loader, 0);
  EXPECT_GT(dataset->reads, before);
}

TEST(DataLoader, NothingIsMadeAfterTheLastEpoch) {
  const auto dataset = std::make_shared<Noise>(10);
  auto options = small_options();
  options.augment.mosaic = options.augment.mixup = options.augment.cutmix = 0;  // a picture an image
  options.cache_bytes = 0;
  options.workers = 2;
  {
    DataLoader loader(dataset, options);
    loader.start_epoch(0, true);
    while (loader.next()) {
    }
    EXPECT_EQ(loader.stats().images, 10);
  }
  EXPECT_EQ(dataset->reads, 10);
}

TEST(DataLoader, EndsWhileWorkersAreBusy) {
  for (int i = 0; i < 10; ++i) {
    auto options = small_options();
    options.workers = 4;
    DataLoader loader(std::make_shared<Noise>(40), options);
    if (i % 3) loader.start_epoch(0);
    if (i % 2 && i % 3) loader.next();
  }
}

TEST(DataLoader, RefusesBadOptionsAndUse) {
  const auto refused = [](auto&& change) {
    auto options = small_options();
    change(options);
    EXPECT_THROW(DataLoader(std::make_shared<Noise>(4), options), ArgumentError);
  };
  refused([](auto& o) { o.batch = 0; });
  refused([](auto& o) { o.imgsz = -1; });
  refused([](auto& o) { o.workers = -1; });
  refused([](auto& o) { o.rank = 1; });
  refused([](auto& o) { o.augment.mixup = 2; });
  refused([](auto& o) { o.rect = true, o.ranks = 2; });
  EXPECT_THROW(DataLoader(std::make_shared<Noise>(0), small_options()), DataError);
  EXPECT_THROW(DataLoader(nullptr, small_options()), DataError);
  DataLoader loader(std::make_shared<Noise>(4), small_options());
  EXPECT_THROW(loader.next(), ArgumentError);
  EXPECT_THROW(loader.start_epoch(-1), ArgumentError);
}

}  // namespace
}  // namespace boxcar
