// Batches of a data set with polygon labels: the boxes follow the pixels.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/data/image/encode.h"
#include "boxcar/data/loader/loader.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"

namespace boxcar {
namespace {

constexpr int kSide = 96, kImages = 6;
constexpr std::uint8_t kGround = 114, kObject = 255;  // the ground is that of empty places

/// A white diamond about (cx, cy).
struct Diamond {
  float cx, cy, radius = 16;
};
Diamond diamond_of(int i) { return {24 + 2.0f * i, 20 + 9.0f * i}; }

Image picture_of(const Diamond& d) {
  Image image{kSide, kSide, 3, std::vector<std::uint8_t>(std::size_t{3} * kSide * kSide, kGround)};
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const float distance = std::abs(x + 0.5f - d.cx) + std::abs(y + 0.5f - d.cy);
      if (distance < d.radius) std::fill_n(image.row(y) + 3 * x, 3, kObject);
    }
  }
  return image;
}

/// Images with one diamond each, of class 0, 1, ..., labelled by its corners or by its box.
class DiamondFolder : public testing::Test {
 protected:
  std::shared_ptr<const Dataset> make(bool polygons) {
    const std::string root = polygons ? "polygons" : "boxes";
    for (int i = 0; i < kImages; ++i) {
      const Diamond d = diamond_of(i);
      const float x = d.cx / kSide, y = d.cy / kSide, r = d.radius / kSide;
      const std::string name = std::to_string(i);
      write_image(folder_ / (root + "/images/" + name + ".png"), picture_of(d));
      folder_.write(root + "/labels/" + name + ".txt",
                    polygons ? fmt::format("{} {} {} {} {} {} {} {} {}\n", i, x - r, y, x, y - r, x + r, y, x, y + r)
                             : fmt::format("{} {} {} {} {}\n", i, x, y, 2 * r, 2 * r));
    }
    return std::make_shared<YoloDataset>(std::vector{folder_ / (root + "/images")},
                                         YoloDatasetOptions{.num_classes = kImages, .training = true});
  }
  test::Folder folder_;
};

/// Warps and flips of single images, in their own colours.
DataLoaderOptions options() {
  DataLoaderOptions o;
  o.imgsz = kSide;
  o.batch = kImages;
  o.workers = 0;
  o.augment.mosaic = 0;
  o.augment.hsv_h = o.augment.hsv_s = o.augment.hsv_v = 0;
  o.augment.degrees = 45;
  o.augment.scale = {0.8, 1.2};
  o.augment.translate = 0.2;
  o.augment.flipud = 0.5;
  return o;
}

std::vector<HostBatch> read_epochs(const std::shared_ptr<const Dataset>& dataset, const DataLoaderOptions& o,
                                   int epochs) {
  DataLoader loader(dataset, o);
  std::vector<HostBatch> batches;
  for (int epoch = 0; epoch < epochs; ++epoch) {
    loader.start_epoch(epoch);
    while (auto batch = loader.next()) batches.push_back(std::move(*batch));
  }
  return batches;
}

std::vector<std::uint8_t> bytes_of(const Tensor& t) { return {t.as<std::uint8_t>(), t.as<std::uint8_t>() + t.count()}; }

bool is_object(const HostBatch& batch, int image, int x, int y) {
  const auto shape = batch.images.shape();
  if (x < 0 || y < 0 || x >= shape.w || y >= shape.h) return false;
  return batch.images.as<std::uint8_t>()[((std::int64_t{image} * shape.h + y) * shape.w + x) * 3] > 185;
}

bool any_object(const HostBatch& batch, int image, float x1, float y1, float x2, float y2) {
  for (int y = int(std::floor(y1)); y < int(std::ceil(y2)); ++y) {
    for (int x = int(std::floor(x1)); x < int(std::ceil(x2)); ++x) {
      if (is_object(batch, image, x, y)) return true;
    }
  }
  return false;
}

/// The sides of boxes have pixels of an object near by. The pixels of a diamond's tip end up to one pixel before the
/// corner, magnified by up to 1.3; interpolation fades half a pixel, and warps take integers for pixel centres. Where a
/// flat side of a diamond meets the border, half a pixel across is many along: sides next to a cut are left out.
void expect_tight(const HostBatch& batch) {
  constexpr float kNear = 3;
  for (const auto& [image, cls, xc, yc, w, h] : batch.boxes) {
    const float x1 = (xc - w / 2) * kSide, x2 = (xc + w / 2) * kSide;
    const float y1 = (yc - h / 2) * kSide, y2 = (yc + h / 2) * kSide;
    const int i = int(image);
    if (y1 > 0.5f && y2 < kSide - 0.5f) {
      EXPECT_TRUE(any_object(batch, i, x1, y1, x1 + kNear, y2)) << "left of " << cls << " in " << i;
      EXPECT_TRUE(any_object(batch, i, x2 - kNear, y1, x2, y2)) << "right of " << cls << " in " << i;
    }
    if (x1 > 0.5f && x2 < kSide - 0.5f) {
      EXPECT_TRUE(any_object(batch, i, x1, y1, x2, y1 + kNear)) << "top of " << cls << " in " << i;
      EXPECT_TRUE(any_object(batch, i, x1, y2 - kNear, x2, y2)) << "bottom of " << cls << " in " << i;
    }
  }
}

int object_pixels(const HostBatch& batch, int image) {
  int count = 0;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) count += is_object(batch, image, x, y);
  }
  return count;
}

TEST_F(DiamondFolder, BoxesOfPolygonsAreTighterInTheSamePictures) {
  const auto polygons = read_epochs(make(true), options(), 20), boxes = read_epochs(make(false), options(), 20);
  double tight_area = 0, loose_area = 0;
  for (std::size_t b = 0; b < polygons.size(); ++b) {
    EXPECT_EQ(bytes_of(polygons[b].images), bytes_of(boxes[b].images));
    expect_tight(polygons[b]);
    for (const auto& loose : boxes[b].boxes) {
      for (const auto& tight : polygons[b].boxes) {
        if (tight[0] != loose[0]) continue;  // one object a picture
        EXPECT_EQ(tight[1], loose[1]);
        for (const int axis : {2, 3}) {
          EXPECT_GE(tight[axis] - tight[axis + 2] / 2, loose[axis] - loose[axis + 2] / 2 - 1e-5);
          EXPECT_LE(tight[axis] + tight[axis + 2] / 2, loose[axis] + loose[axis + 2] / 2 + 1e-5);
        }
        tight_area += tight[4] * tight[5];
        loose_area += loose[4] * loose[5];
      }
    }
  }
  // A diamond turned by an angle a has the box (2r cos a)^2, its box's box is (2r (cos a + sin a))^2: 0.82 against
  // 1.64 times 4r^2 on average over 0 to 45 degrees, without the cuts at the border.
  EXPECT_NEAR(tight_area / loose_area, 0.5, 0.05);
}

TEST_F(DiamondFolder, BoxesFitInMosaicsAndWithPerspective) {
  auto o = options();
  o.augment.mosaic = 1;
  o.augment.degrees = 20;
  o.augment.scale = {1, 1.2};  // the canvas's own border stays out of sight
  o.augment.perspective = 0.0005;
  o.augment.shear = 10;
  std::size_t boxes = 0;
  for (const int images : {4, 9}) {
    o.augment.mosaic_images = images;
    for (const HostBatch& batch : read_epochs(make(true), o, 5)) {
      if (images == 4) expect_tight(batch);  // of nine images, later ones cover earlier ones
      boxes += batch.boxes.size();
    }
  }
  EXPECT_GT(boxes, 60u);
}

TEST_F(DiamondFolder, CopyPasteAddsTheMirroredObject) {
  auto o = options();
  o.augment.degrees = 20;
  o.augment.translate = 0;
  o.augment.scale = {0.7, 0.7};
  const auto dataset = make(true);
  const auto plain = read_epochs(dataset, o, 2);
  o.augment.copy_paste = 1;
  const auto pasted = read_epochs(dataset, o, 2);
  for (std::size_t b = 0; b < pasted.size(); ++b) {
    expect_tight(pasted[b]);
    // Diamonds left of x = 34 and their mirror images do not touch; all fit into the picture.
    EXPECT_EQ(plain[b].boxes.size(), std::size_t(kImages));
    EXPECT_EQ(pasted[b].boxes.size(), 2u * kImages);
    for (int i = 0; i < kImages; ++i) {
      EXPECT_EQ(pasted[b].boxes[2 * i][1], pasted[b].boxes[2 * i + 1][1]);
      EXPECT_NEAR(object_pixels(pasted[b], i), 2 * object_pixels(plain[b], i), 12) << b << ' ' << i;
    }
  }
  // In mosaics half of the mirrored objects that fit; the workers do not matter.
  o.augment.mosaic = 1;
  o.augment.copy_paste = 0.5;
  const auto alone = read_epochs(dataset, o, 3);
  o.workers = 3;
  const auto team = read_epochs(dataset, o, 3);
  for (std::size_t b = 0; b < alone.size(); ++b) {
    expect_tight(alone[b]);
    EXPECT_EQ(bytes_of(alone[b].images), bytes_of(team[b].images));
    EXPECT_EQ(alone[b].boxes, team[b].boxes);
  }
}

TEST_F(DiamondFolder, CopyPasteAddsObjectsOfAnotherPicture) {
  auto o = options();
  o.augment.copy_paste = 1;
  o.augment.copy_paste_mode = CopyPasteMode::kMixup;
  int joined = 0;
  for (const HostBatch& batch : read_epochs(make(true), o, 10)) {
    expect_tight(batch);
    for (int i = 0; i < kImages; ++i) {
      std::set<float> classes;
      for (const auto& box : batch.boxes) {
        if (box[0] == float(i)) classes.insert(box[1]);
      }
      EXPECT_TRUE(classes.contains(float(batch.infos[i].index)) || classes.empty());
      joined += classes.size() == 2;
    }
  }
  EXPECT_GT(joined, 20);  // of 60; objects in each other's way and partners of the same class do not count
}

TEST_F(DiamondFolder, CopyPasteEndsWithMosaicAndGoesOnInRectTraining) {
  const auto dataset = make(true);
  auto o = options();
  const auto plain = read_epochs(dataset, o, 1);
  o.augment.copy_paste = 1;
  o.close_mosaic_from = 0;
  EXPECT_EQ(read_epochs(dataset, o, 1)[0].boxes, plain[0].boxes);
  o.close_mosaic_from = 100;
  o.rect = true;
  EXPECT_GT(read_epochs(dataset, o, 1)[0].boxes.size(), std::size_t(kImages));
}

TEST_F(DiamondFolder, CopyPasteLeavesDataSetsOfBoxesAlone) {
  const auto dataset = make(false);
  for (const auto mode : {CopyPasteMode::kFlip, CopyPasteMode::kMixup}) {
    auto o = options();
    o.augment.mosaic = 0.5;
    const auto plain = read_epochs(dataset, o, 2);
    o.augment.copy_paste = 1;
    o.augment.copy_paste_mode = mode;
    const auto same = read_epochs(dataset, o, 2);
    for (std::size_t b = 0; b < same.size(); ++b) {
      EXPECT_EQ(bytes_of(same[b].images), bytes_of(plain[b].images));
      EXPECT_EQ(same[b].boxes, plain[b].boxes);
    }
  }
}

/// A user's own data set, whose second sample has the given polygons.
class OwnDataset : public Dataset {
 public:
  explicit OwnDataset(std::vector<Polygon> polygons) : polygons_(std::move(polygons)) {}
  std::size_t size() const override { return 2; }
  Sample get(std::size_t i) const override {
    const Diamond d = diamond_of(int(i));
    const float x = d.cx / kSide, y = d.cy / kSide, r = d.radius / kSide;
    Sample sample{"own" + std::to_string(i), picture_of(d), {{int(i), x, y, 2 * r, 2 * r}}};
    sample.polygons = i == 0 ? std::vector<Polygon>{{x - r, y, x, y - r, x + r, y, x, y + r}} : polygons_;
    return sample;
  }

 private:
  std::vector<Polygon> polygons_;
};

TEST(OwnDataset, PolygonsThatDoNotFitTheBoxesLeaveTheImageOut) {
  const float inf = std::numeric_limits<float>::infinity();
  struct Case {
    std::vector<Polygon> polygons;
    std::string problem;
  };
  const std::vector<Case> cases{{{{0, 0, 1, 1}, {0, 0, 1, 1}}, "own1: 2 polygons for 1 boxes"},
                                {{{0, 0, 1}}, "own1: a polygon of 3 numbers"},
                                {{{}}, "own1: a polygon of 0 numbers"},
                                {{{0, 0, inf, 1}}, "own1: a polygon of 4 numbers"}};
  for (const Case& c : cases) {
    std::string warnings;
    DataLoader loader(std::make_shared<OwnDataset>(c.polygons), options(),
                      Log([&](LogLevel, std::string_view text) { warnings += text; }));
    loader.start_epoch(0);
    const auto batch = loader.next();
    for (const auto& info : batch->infos) EXPECT_EQ(info.index, 0u);
    EXPECT_NE(warnings.find(c.problem), std::string::npos) << warnings;
  }
}

// Samples with polygons beside samples without: pictures of both have boxes only, and nothing is pasted.
TEST(OwnDataset, MayMixSamplesWithAndWithoutPolygons) {
  auto o = options();
  o.augment.mosaic = 0.5;
  o.augment.copy_paste = 1;
  o.augment.copy_paste_mode = CopyPasteMode::kMixup;
  std::size_t boxes = 0;
  for (const HostBatch& batch : read_epochs(std::make_shared<OwnDataset>(std::vector<Polygon>{}), o, 10)) {
    boxes += batch.boxes.size();
  }
  EXPECT_GT(boxes, 10u);
}

}  // namespace
}  // namespace boxcar
