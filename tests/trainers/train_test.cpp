// Whole runs of the trainer as a library user makes them.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "boxcar/trainers/engine/results_csv.h"
#include "support/folder.h"
#include "support/golden.h"
#include "support/tiny_dataset.h"
#include "trainers/golden_trace.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

class TrainRun : public testing::Test {
 protected:
  Overrides overrides(int epochs) {
    return {{"model", "yolo11n.yaml"},
            {"data", yaml().string()},
            {"epochs", epochs},
            {"batch", 2},
            {"imgsz", 64},
            {"workers", 0},
            {"project", runs()},
            {"device", "cpu"}};
  }
  fs::path yaml() {
    if (yaml_.empty()) yaml_ = test::make_tiny_dataset(folder_.path() / "tinyds");
    return yaml_;
  }
  std::string runs() { return (folder_.path() / "runs").string(); }

  test::Folder folder_;
  fs::path yaml_;
};

// ---- the order of events and what is to be seen at each, against the reference's trace

std::string python(bool value) { return value ? "True" : "False"; }

std::string text_of(std::optional<double> fitness) { return fitness ? fmt::format("{:.1f}", *fitness) : "None"; }

std::string list_of_names(const std::vector<std::string>& names) {
  std::string text = "[";
  for (const std::string& name : names) text += (text.size() > 1 ? ", '" : "'") + name + "'";
  return text + "]";
}

class Trace {
 public:
  explicit Trace(BaseTrainer& trainer) {
    for (const EventName& event : all_events()) {
      if (event.source == SourceKind::trainer) {
        trainer.add_callback(event.name, [this, event](BaseTrainer& t) { add(event.name, t); });
      } else if (event.source == SourceKind::validator) {
        trainer.add_callback(event.name, [this, event](BaseValidator& v) { add(event.name, v); });
      }
    }
  }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  void add(std::string_view event, BaseTrainer& t) {
    // Announced here, but never by the reference.
    if (event == "optimizer_step") ++steps;
    if (event == "optimizer_step" || event == "on_before_zero_grad" || event == "on_params_update") return;
    std::string line = fmt::format("{} DetectionTrainer", event);
    if (event == "on_pretrain_routine_start") {
      line += " epoch=- fitness=- stop=-";
    } else {
      const bool before = event == "on_pretrain_routine_end" || event == "on_train_start";
      line += fmt::format(" epoch={} fitness={} stop={}", before ? "-" : std::to_string(t.epoch()),
                          text_of(t.fitness()), python(t.stop()));
    }
    if (event.starts_with("on_train_batch")) line += fmt::format(" accumulate={}", t.accumulate());
    if (event == "on_train_epoch_end") {
      line += " lr={";
      for (const auto& [name, lr] : t.learning_rates())
        line += fmt::format("{}'{}': {:.6g}", line.back() == '{' ? "" : ", ", name, lr);
      line += "} tloss=" + list_of_names(t.loss_names());
    }
    if (event == "on_fit_epoch_end") {
      std::vector<std::string> names;
      for (const auto& [name, value] : t.metrics().values) names.push_back(name);
      line += " metrics=" + list_of_names(names);
    }
    for (const fs::path& file : {t.last(), t.best(), t.csv(), t.save_dir() / "args.yaml"}) {
      line += fmt::format(" {}={}", file.filename().string(), python(fs::exists(file)));
    }
    lines_.push_back(line);
  }
  void add(std::string_view event, BaseValidator& v) {
    lines_.push_back(fmt::format("{} DetectionValidator training={} batch_i={} plots={}", event, python(v.training()),
                                 v.batch_index() < 0 ? "None" : std::to_string(v.batch_index()), python(v.plots())));
  }

  std::vector<std::string> lines_;

 public:
  int steps = 0;
};

TEST_F(TrainRun, EventsStateAndFilesAreTheReferences) {
  BOXCAR_NEED_SHARED();
  Overrides o = overrides(3);
  o.set("close_mosaic", 1).set("save_period", 2);
  DetectionTrainer trainer(o);
  EXPECT_FALSE(fs::exists(runs()));  // the constructor leaves nothing behind
  Trace trace(trainer);
  const TrainResult result = trainer.train();
  const std::vector<std::string> expected = test::golden_events('1');
  ASSERT_GT(expected.size(), 40u);
  EXPECT_EQ(trace.lines().size(), expected.size());
  for (std::size_t i = 0; i < std::min(expected.size(), trace.lines().size()); ++i) {
    EXPECT_EQ(trace.lines()[i], expected[i]) << "event " << i;
  }
  EXPECT_EQ(trace.steps, 1);
  EXPECT_EQ(result.end, End::finished);
  EXPECT_EQ(result.epochs, 3);

  for (const char* file : {"args.yaml", "results.csv", "labels.jpg", "train_batch0.jpg", "train_batch1.jpg",
                           "train_batch2.jpg", "train_batch4.jpg", "train_batch5.jpg", "weights/epoch0.pt",
                           "weights/epoch2.pt", "weights/last.pt", "weights/best.pt", "weights/last.safetensors",
                           "weights/best.safetensors", "val_batch0_labels.jpg", "val_batch0_pred.jpg"}) {
    EXPECT_TRUE(fs::exists(trainer.save_dir() / file)) << file;
  }
  EXPECT_FALSE(fs::exists(trainer.save_dir() / "weights/epoch1.pt"));
}

TEST_F(TrainRun, ResultsAndArgumentsHaveTheReferencesColumns) {
  BOXCAR_NEED_SHARED();
  Overrides o = overrides(3);
  o.set("close_mosaic", 1).set("plots", false);
  DetectionTrainer trainer(o);
  trainer.train();
  const ResultsTable ours = read_results_csv(trainer.csv());
  const ResultsTable golden = read_results_csv(test::shared("golden/trainer/results.csv"));
  EXPECT_EQ(ours.names, golden.names);
  ASSERT_EQ(ours.rows(), golden.rows());
  for (const char* column : {"epoch", "lr/pg0", "lr/pg1", "lr/pg2"}) {
    EXPECT_EQ(*ours.find(column), *golden.find(column)) << column;
  }
  const auto keys = [](const fs::path& file) {
    std::vector<std::string> names;
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) names.push_back(line.substr(0, line.find(':')));
    return names;
  };
  std::vector<std::string> expected = keys(test::shared("golden/trainer/args.yaml"));
  std::vector<std::string> found = keys(trainer.save_dir() / "args.yaml");
  for (const char* own : {"threads", "cuda_graphs", "gpu_render"}) std::erase(found, own);
  EXPECT_EQ(found, expected);
}

// Steps of one shape; the number of objects differs from batch to batch. AddressSanitizer's build keeps nothing.
TEST_F(TrainRun, TakesNoMemoryFromTheSystemAfterTheSecondStep) {
  Overrides o = overrides(4);
  o.set("val", false).set("plots", false);
  DetectionTrainer trainer(o);
  std::vector<std::uint64_t> allocations;
  bool keeps = false;
  trainer.add_callback(events::on_train_batch_end, [&](BaseTrainer& t) {
    const MemoryStats stats = t.stream().pool()->stats();
    allocations.push_back(stats.system_allocations);
    keeps = stats.reserved_bytes > stats.live_bytes;
  });
  trainer.train();
  if (!keeps) GTEST_SKIP() << "this build keeps no memory";
  ASSERT_EQ(allocations.size(), 8u);
  for (std::size_t i = 2; i < allocations.size(); ++i) EXPECT_EQ(allocations[i], allocations[1]) << "step " << i;
}

// ---- what a user may override

struct CountingModel : DetectionModel {
  using DetectionModel::DetectionModel;
  int* forwards = nullptr;
  Outputs forward(nn::Context& context, const nn::Value& images) override {
    if (forwards) ++*forwards;
    return DetectionModel::forward(context, images);
  }
};

struct CustomTrainer : DetectionTrainer {
  using DetectionTrainer::DetectionTrainer;
  int forwards = 0;
  std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights* weights) override {
    auto model = std::make_unique<CountingModel>(spec);
    model->forwards = &forwards;
    if (weights) weights->load_into(*model);
    return model;
  }
};

TEST_F(TrainRun, OwnModelAndCallbacks) {
  Overrides o = overrides(1);
  o.set("plots", false);
  CustomTrainer trainer(o);
  std::vector<std::string> seen;
  trainer.add_callback("on_train_epoch_end", [&](BaseTrainer& t) { seen.push_back(t.last().filename().string()); });
  trainer.add_callback(events::on_model_save,
                       [&](BaseTrainer& t) { seen.push_back(fs::exists(t.last()) ? "saved" : "missing"); });
  const TrainResult result = trainer.train();
  EXPECT_GT(trainer.forwards, 3);
  EXPECT_EQ(seen, (std::vector<std::string>{"last.pt", "saved"}));
  const Weights best = Weights::read(result.best);
  DetectionModel model(best.spec());
  best.load_all_into(model);
  EXPECT_EQ(best.names(), (std::vector<std::string>{"red", "blue"}));
  EXPECT_EQ(Weights::read(fs::path(result.best).replace_extension(".safetensors")).tensors().size(),
            best.tensors().size());
}

TEST_F(TrainRun, StopsWhenACallbackAsks) {
  Overrides o = overrides(5);
  o.set("plots", false);
  DetectionTrainer trainer(o);
  trainer.add_callback("on_train_batch_end", [](BaseTrainer& t) { t.request_stop(); });
  const TrainResult result = trainer.train();
  EXPECT_EQ(result.end, End::stopped);
  EXPECT_EQ(result.epochs, 1);
  EXPECT_TRUE(fs::exists(result.last));
}

TEST_F(TrainRun, AnExceptionOfACallbackPassesTeardown) {
  DetectionTrainer trainer(overrides(1));
  bool torn_down = false;
  trainer.add_callback("on_train_start", [](BaseTrainer&) { throw std::logic_error("mine"); });
  trainer.add_callback("teardown", [&](BaseTrainer&) { torn_down = true; });
  EXPECT_THROW(trainer.train(), std::logic_error);
  EXPECT_TRUE(torn_down);
}

TEST_F(TrainRun, RefusesBadInputInOneSentenceAndLeavesNothing) {
  EXPECT_THROW(DetectionTrainer({{"epoch", 3}}), ArgumentError);
  Overrides missing = overrides(1);
  missing.set("data", "no_such_data.yaml");
  EXPECT_THROW(DetectionTrainer(missing).train(), Error);
  EXPECT_FALSE(fs::exists(runs()));
  Overrides no_weights = overrides(1);
  no_weights.set("model", "no_such_weights.pt");
  EXPECT_THROW(DetectionTrainer(no_weights).train(), ArgumentError);
  fs::remove_all(folder_ / "tinyds/images/train");
  EXPECT_THROW(DetectionTrainer(overrides(1)).train(), DataError);
  EXPECT_TRUE(!fs::exists(runs()) || fs::is_empty(fs::path(runs())));
  Overrides gpu = overrides(1);
  gpu.set("device", "0,1");
  EXPECT_THROW(DetectionTrainer(gpu).train(), DeviceError);
}

TEST_F(TrainRun, CopyPasteNeedsPolygonLabels) {
  const fs::path labels = yaml().parent_path() / "labels/train";
  std::vector<std::string> warnings;
  const auto losses = [&](double copy_paste) {
    Overrides o = overrides(1);
    o.set("plots", false).set("val", false).set("model", folder_.write("tiny.yaml", test::kTinyNetwork).string());
    o.set("copy_paste", copy_paste).set("close_mosaic", 0);
    DetectionTrainer trainer(o, {.log = [&](LogLevel level, std::string_view text) {
                               if (level == LogLevel::kWarning) warnings.emplace_back(text);
                             }});
    trainer.train();
    return *read_results_csv(trainer.csv()).find("train/box_loss");
  };
  EXPECT_EQ(losses(1), losses(0));
  EXPECT_EQ(warnings, std::vector<std::string>{"copy_paste=1 does nothing: it needs polygon labels, and those of the "
                                               "data set are boxes"});
  warnings.clear();
  for (const auto& entry : fs::directory_iterator(labels)) {  // the same rectangles by their corners
    std::ifstream in(entry.path());
    std::string polygons;
    for (double cls, x, y, w, h; in >> cls >> x >> y >> w >> h;) {
      const double x1 = x - w / 2, x2 = x + w / 2, y1 = y - h / 2, y2 = y + h / 2;
      polygons += fmt::format("{} {} {} {} {} {} {} {} {}\n", cls, x1, y1, x2, y1, x2, y2, x1, y2);
    }
    in.close();
    std::ofstream(entry.path()) << polygons;
  }
  EXPECT_NE(losses(1), losses(0));
  EXPECT_TRUE(warnings.empty()) << warnings.front();
}

TEST_F(TrainRun, SameSeedSameBitsForAnyNumberOfWorkers) {
  std::set<std::string> weights;
  for (const int workers : {0, 1, 4}) {
    Overrides o = overrides(2);
    o.set("plots", false).set("workers", workers).set("close_mosaic", 0).set("val", false);
    DetectionTrainer trainer(o);
    trainer.train();
    weights.insert(read_file(trainer.save_dir() / "weights/last.safetensors", 1 << 28));
  }
  EXPECT_EQ(weights.size(), 1u);
}

}  // namespace
}  // namespace boxcar
