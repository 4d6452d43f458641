// Training from a model that knows other classes, as a library user does.
#include <boxcar/boxcar.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/folder.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using Rows = std::vector<std::vector<float>>;

constexpr const char* kClassWeight = "model.23.cv3.1.2.weight";

Rows rows_of(const HostTensor& t) {
  Rows rows;
  const std::int64_t size = t.count() / t.shape[0];
  for (std::int64_t i = 0; i < t.shape[0]; ++i)
    rows.emplace_back(t.as<float>() + i * size, t.as<float>() + (i + 1) * size);
  return rows;
}

class TransferRun : public testing::Test {
 protected:
  // The pictures of the tiny data set under other class names; the numbers in its labels stay 0 and 1.
  std::string data(const std::string& names) {
    if (!fs::exists(folder_ / "tinyds")) test::make_tiny_dataset(folder_ / "tinyds");
    const fs::path yaml = folder_ / fmt::format("data{}.yaml", number_++);
    std::ofstream(yaml) << "path: " << (folder_ / "tinyds").string()
                        << "\ntrain: images/train\nval: images/val\nnames: " << names << "\n";
    return yaml.string();
  }

  struct Run {
    fs::path best;
    Rows rows;            // of the class head, before the first batch
    std::string message;  // what was taken from the weights
  };
  Run train(const fs::path& model, const std::string& names, const Overrides& more = {}) {
    Overrides o{{"data", data(names)}, {"model", model.string()},
                {"epochs", 1},         {"batch", 4},
                {"imgsz", 64},         {"workers", 0},
                {"plots", false},      {"project", (folder_ / "runs").string()}};
    Run run;
    Options options;
    options.log = [&](LogLevel, std::string_view text) {
      if (text.find(" tensors from ") != text.npos) run.message = text;
    };
    DetectionTrainer trainer(o.merge(more), options);
    trainer.add_callback(events::on_model_save, [&](BaseTrainer& t) {
      if (t.epoch() == 0) fs::copy_file(t.last(), first_epoch(), fs::copy_options::overwrite_existing);
    });
    trainer.add_callback(events::on_pretrain_routine_end, [&](BaseTrainer& t) {
      for (const auto& [name, tensor] : nn::state_dict(t.arena(), t.arena().values())) {
        if (name == kClassWeight) run.rows = rows_of(tensor);
      }
    });
    run.best = trainer.train().best;
    return run;
  }

  /// The checkpoint of the latest run's first epoch.
  fs::path first_epoch() { return folder_ / "first_epoch.pt"; }

  static Rows rows_in(const fs::path& file) {
    const Weights weights = Weights::read(file);
    for (const auto& [name, tensor] : weights.tensors()) {
      if (name == kClassWeight) return rows_of(tensor);
    }
    return {};
  }

  test::Folder folder_;
  int number_ = 0;
};

TEST_F(TransferRun, ClassRowsFollowTheirNamesUnlessToldOtherwise) {
  const fs::path first = train("yolo11n.yaml", "[a, b, c]").best;
  const Rows abc = rows_in(first);
  ASSERT_EQ(abc.size(), 3u);

  const Run longer = train(first, "[new, C, a, b]");
  EXPECT_EQ(longer.message, "499 of 499 tensors from " + first.string() + ", class head by name, 3 of 4 rows (3 -> 4)");
  ASSERT_EQ(longer.rows.size(), 4u);
  EXPECT_EQ(Rows(longer.rows.begin() + 1, longer.rows.end()), (Rows{abc[2], abc[0], abc[1]}));

  const Run longer_off = train(first, "[new, C, a, b]", {{"cls_remap", false}});
  EXPECT_EQ(longer_off.message, "493 of 499 tensors from " + first.string() + ", class head new (3 -> 4)");
  ASSERT_EQ(longer_off.rows.size(), 4u);
  EXPECT_EQ(longer_off.rows[0], longer.rows[0]);  // both as initialised
  for (std::size_t i = 1; i < 4; ++i) EXPECT_NE(longer_off.rows[i], longer.rows[i]) << i;

  EXPECT_EQ(train(first, "[b, c, a]").rows, (Rows{abc[1], abc[2], abc[0]}));
  const Run permuted_off = train(first, "[b, c, a]", {{"cls_remap", false}});
  EXPECT_EQ(permuted_off.rows, abc);
  EXPECT_TRUE(permuted_off.message.ends_with(", class head kept (3)")) << permuted_off.message;
}

TEST_F(TransferRun, OwnGetModelHeedsTheArgument) {
  struct Own : DetectionTrainer {
    using DetectionTrainer::DetectionTrainer;
    Transfer done;
    std::unique_ptr<Model> get_model(const ModelSpec& spec, const Weights* weights) override {
      auto model = std::make_unique<DetectionModel>(spec);
      if (weights) done = weights->load_into(*model);
      return model;
    }
  };
  const fs::path first = train("yolo11n.yaml", "[a, b]").best;
  for (const bool remap : {true, false}) {
    Own trainer({{"data", data("[b, a]")},
                 {"model", first.string()},
                 {"epochs", 1},
                 {"batch", 4},
                 {"imgsz", 64},
                 {"workers", 0},
                 {"plots", false},
                 {"project", (folder_ / "runs").string()},
                 {"cls_remap", remap}});
    trainer.add_callback(events::on_pretrain_routine_end, [](BaseTrainer& t) { t.request_stop(); });
    trainer.train();
    EXPECT_EQ(trainer.done.head->by_name, remap);
  }
}

// From 80 classes on a network is wider than its description says: it must be resumed, measured and used as it is.
TEST_F(TransferRun, ANetworkOfAnotherWidthLivesOn) {
  std::string many = "[c0";
  for (int i = 1; i < 80; ++i) many += fmt::format(", c{}", i);
  const fs::path first = train("yolo11n.yaml", many + "]").best;
  const Run tuned = train(first, "[x, y]", {{"epochs", 2}});
  EXPECT_TRUE(tuned.message.ends_with(", class head new (80 -> 2)")) << tuned.message;
  EXPECT_EQ(tuned.rows[0].size(), 80u);
  const NamedTensors finished = Weights::read(tuned.best.parent_path() / "last.pt").tensors();
  EXPECT_EQ(DetectionTrainer({{"resume", first_epoch().string()}}).train().epochs, 1);
  EXPECT_EQ(Weights::read(tuned.best.parent_path() / "last.pt").tensors(), finished);

  YOLO model(tuned.best);
  EXPECT_EQ(model.val({{"plots", false}, {"workers", 0}, {"project", (folder_ / "runs").string()}}).values.size(), 4u);
  EXPECT_EQ(model.predict(folder_ / "tinyds/images/val").size(), 4u);
  const Run again = train(tuned.best, "[x, y]");
  EXPECT_TRUE(again.message.starts_with("499 of 499 tensors")) << again.message;
  EXPECT_EQ(again.rows, rows_in(tuned.best));
}

}  // namespace
}  // namespace boxcar
