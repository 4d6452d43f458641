// A network that a trainer of one's own makes, through the facade: trained, measured, used.
#include <gtest/gtest.h>

#include "boxcar/boxcar.h"
#include "boxcar/runtime/base/error.h"
#include "support/folder.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

struct OneLevelNet final : DetectionModel {
  nn::ConvBnAct stem{this, "stem", 3, 8, {.kernel = 3, .stride = 4}},
      mid{this, "mid", 8, 16, {.kernel = 3, .stride = 2}};
  nn::Detect head;
  explicit OneLevelNet(const ModelSpec& spec) : DetectionModel(spec), head(this, "head", spec.nc, {16}) {}
  Outputs forward(nn::Context& c, const nn::Value& x) override {
    return head.forward(c, {mid.forward(c, stem.forward(c, x))});
  }
};

struct OneLevelTrainer : DetectionTrainer {
  static inline int own_calls = 0;
  OneLevelTrainer(Overrides overrides, Options options) : DetectionTrainer(std::move(overrides), std::move(options)) {
    add_callback("on_train_start", [](BaseTrainer&) { ++own_calls; });
  }
  std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights* weights) override {
    auto model = std::make_unique<OneLevelNet>(spec);
    if (weights) weights->load_into(*model);
    return model;
  }
};

TEST(OwnNetwork, IsMeasuredAndPredictsAfterTraining) {
  const test::Folder folder;
  const fs::path data = test::make_tiny_dataset(folder / "tinyds"), images = folder / "tinyds/images/val";
  const std::string runs = (folder / "runs").string();
  YOLO yolo(folder.write("net.yaml", test::kTinyNetwork));
  int starts = 0;
  yolo.add_callback("on_train_start", [&](BaseTrainer&) { ++starts; });
  OneLevelTrainer::own_calls = 0;
  const Metrics trained = yolo.train<OneLevelTrainer>({{"data", data.string()},
                                                       {"imgsz", 64},
                                                       {"epochs", 1},
                                                       {"batch", 2},
                                                       {"workers", 0},
                                                       {"plots", false},
                                                       {"project", runs}});
  EXPECT_EQ(starts, 1);
  EXPECT_EQ(OneLevelTrainer::own_calls, 1);
  EXPECT_EQ(yolo.model(), folder / "runs/train/weights/best.pt");
  const Metrics measured = yolo.val({{"workers", 0}, {"plots", false}, {"project", runs}, {"batch", 4}});
  EXPECT_EQ(measured.values, trained.values);
  const std::vector<Results> found = yolo.predict(images, {{"conf", 0.0}, {"max_det", 4}});
  ASSERT_EQ(found.size(), 4u);
  EXPECT_EQ(found[0].boxes.size(), 4u);
  EXPECT_EQ(found[0].name_of(1), "blue");
  // Another object knows the file, not the class.
  YOLO other(yolo.model());
  EXPECT_THROW(other.predict(images), ModelError);
}

}  // namespace
}  // namespace boxcar
