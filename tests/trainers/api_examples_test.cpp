// The examples of the guide to the C++ API, built and run as a user would.
#include <boxcar/boxcar.h>
#include <gtest/gtest.h>

#include <fstream>

#include "boxcar/data/image/decode.h"
#include "support/folder.h"
#include "support/process.h"
#include "support/tiny_dataset.h"

namespace {

using namespace boxcar;
using nn::Context, nn::Value;

struct TinyNet final : DetectionModel {  // own model; it keeps the Detect head, so val and predict work as they are
  nn::ConvBnAct stem{this, "stem", 3, 32, {.kernel = 3, .stride = 4}},
      mid{this, "mid", 32, 64, {.kernel = 3, .stride = 2}};
  nn::Detect head;
  explicit TinyNet(const ModelSpec& cfg) : DetectionModel(cfg), head(this, "head", cfg.nc, {64}) {}
  Outputs forward(Context& c, const Value& x) override { return head.forward(c, {mid.forward(c, stem.forward(c, x))}); }
};

struct TinyNetTrainer : DetectionTrainer {
  using DetectionTrainer::DetectionTrainer;
  std::unique_ptr<Model> get_model(const ModelSpec& cfg, const Weights* weights) override {
    auto model = std::make_unique<TinyNet>(cfg);
    if (weights) weights->load_into(*model);
    return model;
  }
};

// Own module, usable in model files: weighs channels by what the whole picture holds.
struct Gate : nn::Layer {
  nn::Conv squeeze, excite;
  Gate(nn::Module* parent, std::string name, const ModuleRow& row)
      : Layer(parent, std::move(name)),
        squeeze(this, "squeeze", row.in_channels()[0], row.integer(0, 8, 1, 1024)),
        excite(this, "excite", row.integer(0, 8, 1, 1024), row.in_channels()[0]) {}
  Value forward(Context& c, std::span<const Value> x, std::span<const nn::Place>) override {
    return x[0] * sigmoid(excite.forward(c, silu(squeeze.forward(c, mean(x[0], {1, 2})))));
  }
};

// Own module of two inputs and another size: the finer map, halved, beside the coarser one.
struct Beside : nn::Layer {
  nn::ConvBnAct down;
  static ModuleOutput output(const ModuleRow& row) {
    return {row.channels(0) + row.in_channels()[1], row.in_sizes()[1]};
  }
  Beside(nn::Module* parent, std::string name, const ModuleRow& row)
      : Layer(parent, std::move(name)),
        down(this, "down", row.in_channels()[0], row.channels(0), {.kernel = 3, .stride = 2, .act = row.activation()}) {
  }
  Value forward(Context& c, std::span<const Value> x, std::span<const nn::Place> places) override {
    return concat(c, std::vector<Value>{down.forward(c, x[0]), x[1]}, places);
  }
};

constexpr const char* kGateNet = R"(nc: 80
backbone:
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 1, Conv, [16, 3, 2]]
  - [-1, 2, Gate, [4]]
  - [-1, 1, Conv, [32, 3, 2]]
head:
  - [[2, -1], 1, Beside, [16]]
  - [[-1], 1, Detect, [nc]]
)";

struct SmallObjects : DetectionValidator {  // own metric: it reaches results.csv, the loggers and Metrics
  double found = 0, all = 0;
  void update_metrics(const Results& r, const Sample& s) override {
    DetectionValidator::update_metrics(r, s);
    found += double(r.boxes.size());
    all += double(s.boxes.size());
  }
  Metrics get_stats() override {
    Metrics m = DetectionValidator::get_stats();
    m.values.emplace_back("metrics/found", found / all);
    return m;
  }
};

struct CustomTrainer : DetectionTrainer {
  using DetectionTrainer::DetectionTrainer;
  std::unique_ptr<Model> get_model(const ModelSpec& cfg, const Weights* weights) override {
    auto model = std::make_unique<DetectionModel>(cfg);
    if (weights) weights->load_into(*model);
    return model;
  }
  std::unique_ptr<BaseValidator> get_validator() override { return std::make_unique<SmallObjects>(); }
};

struct Masked : DetectionPredictor {
  void postprocess(Results& r) override {
    std::erase_if(r.boxes, [](const Box& b) { return b.y1 < 40; });
  }
};

class ApiExamples : public testing::Test {
 protected:
  Overrides run(int epochs) {
    const auto yaml = test::make_tiny_dataset(folder_ / "tinyds");
    return {{"data", yaml.string()}, {"model", "yolo11n.yaml"},
            {"epochs", epochs},      {"batch", 2},
            {"imgsz", 64},           {"workers", 0},
            {"plots", false},        {"project", (folder_ / "runs").string()}};
  }
  test::Folder folder_;
};

TEST_F(ApiExamples, OwnNetworkTrains) {
  TinyNetTrainer trainer(run(2));
  const TrainResult result = trainer.train();
  std::vector<std::string> names;
  trainer.model().for_each_parameter([&](const std::string& name, nn::Parameter&) { names.push_back(name); });
  EXPECT_EQ(names.front(), "stem.conv.weight");  // the spec's own layers are gone
  EXPECT_EQ(static_cast<const DetectionModel&>(trainer.model()).strides(), std::vector<int>{8});
  EXPECT_EQ(result.epochs, 2);
}

TEST_F(ApiExamples, OwnModulesInAModelFileTrainAndComeBack) {
  register_module<Gate>("Gate", {"hidden"});
  register_module<Beside>("Beside", {"channels"});
  std::ofstream(folder_ / "gate.yaml") << kGateNet;
  Overrides overrides = run(1);  // two batches of two pictures
  overrides.set("model", (folder_ / "gate.yaml").string()).set("nbs", 2).set("warmup_epochs", 0);
  DetectionTrainer trainer(overrides);
  NamedTensors before, after;
  trainer.add_callback(events::on_pretrain_routine_end,
                       [&](BaseTrainer& t) { before = nn::state_dict(t.arena(), t.arena().values()); });
  int batches = 0;
  trainer.add_callback(events::on_train_batch_end, [&](BaseTrainer&) { ++batches; });
  trainer.add_callback(events::on_train_epoch_end,
                       [&](BaseTrainer& t) { after = nn::state_dict(t.arena(), t.arena().values()); });
  const TrainResult result = trainer.train();
  EXPECT_EQ(batches, 2);
  std::size_t own = 0;
  for (std::size_t i = 0; i < before.size(); ++i) {
    const auto& [name, tensor] = before[i];
    const bool gate = name.starts_with("model.2.0.squeeze.") || name.starts_with("model.2.1.excite.");
    if (!gate && name != "model.4.down.conv.weight") continue;
    ++own;
    EXPECT_NE(tensor, after[i].second) << name << " did not learn";
  }
  EXPECT_EQ(own, 5u);

  // The file describes the network: a program that knows the modules reads it, another one says what is missing.
  YOLO model(result.best);
  const Overrides small{{"conf", 0.00001}, {"imgsz", 64}};
  EXPECT_EQ(model.predict(folder_ / "tinyds/images/val", small).size(), 4u);
  const Weights best = Weights::read(result.best);
  DetectionModel again(best.spec());
  EXPECT_EQ(best.load_into(again).taken.size(), before.size());
  const test::Finished stranger =
      test::run_program({BOXCAR_BINARY, "info", "model=" + result.best.string()}, folder_.path());
  EXPECT_NE(stranger.status, 0);
  EXPECT_NE(stranger.output.find("the module 'Gate' is not known"), std::string::npos) << stranger.output;
}

TEST_F(ApiExamples, OwnMetricReachesTheTable) {
  CustomTrainer trainer(run(1));
  trainer.add_callback("on_train_epoch_end", [](BaseTrainer& t) { EXPECT_EQ(t.last().filename(), "last.pt"); });
  const TrainResult result = trainer.train();
  EXPECT_GE(result.metrics["metrics/found"], 0.0);
  const ResultsTable table = read_results_csv(trainer.csv());
  EXPECT_NE(table.find("metrics/found"), nullptr);
}

TEST_F(ApiExamples, FacadeTrainsValidatesAndPredicts) {
  const Overrides overrides = run(1);
  YOLO model("yolo11n.yaml");
  int saves = 0;
  model.add_callback(events::on_model_save, [&](BaseTrainer&) { ++saves; }, {.on_throw = OnThrow::warn});
  const Metrics m = model.train<CustomTrainer>(overrides);
  EXPECT_EQ(saves, 1);
  EXPECT_EQ(m.values.front().first, "metrics/precision(B)");
  EXPECT_EQ(model.model().filename(), "best.pt");
  Overrides val{{"plots", false}, {"project", (folder_ / "runs").string()}, {"workers", 0}};
  EXPECT_GE(model.val<SmallObjects>(val)["metrics/found"], 0.0);

  const auto pictures = folder_ / "tinyds/images/val";
  const std::vector<Results> all = model.predict(pictures, {{"conf", 0.0001}, {"imgsz", 64}});
  ASSERT_EQ(all.size(), 4u);
  const std::vector<Results> masked = model.predict<Masked>(pictures, {{"conf", 0.0001}, {"imgsz", 64}});
  for (const Results& r : masked) {
    EXPECT_EQ(r.to_json().front(), '[');
    for (const Box& b : r.boxes) EXPECT_GE(b.y1, 40);
  }
}

TEST_F(ApiExamples, PicturesInMemoryGiveTheSameBoxesAsFiles) {
  YOLO model("yolo11n.yaml");
  model.train(run(1));
  const auto file = folder_ / "tinyds/images/val/val0.png";
  const Image image = decode_image(file);
  const ImageView view{image.pixels.data(), image.width, image.height, image.width * 3};
  const Overrides low{{"conf", 0.00001}, {"imgsz", 64}, {"max_det", 20}};
  const auto a = model.predict(file, low), b = model.predict({&view, 1}, low);
  ASSERT_EQ(a.size(), 1u);
  ASSERT_EQ(b.size(), 1u);
  EXPECT_EQ(a[0].boxes, b[0].boxes);
}

}  // namespace
