// Validation of a finished run's weights, as a library user asks for it.
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/facade/yolo.h"
#include "support/files.h"
#include "support/folder.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

TEST(Validation, SaveJsonWritesClippedBoxesAndMeasuresThemByCocosRules) {
  test::Folder folder;
  const fs::path data = test::make_tiny_dataset(folder / "tinyds"), network = folder / "tiny.yaml";
  write_file_atomically(network, std::string(test::kTinyNetwork));
  std::string log;
  const Options options{.log = [&](LogLevel, std::string_view text) { log += std::string(text) + "\n"; }};
  YOLO model(network, options);
  const Overrides common{{"project", (folder / "runs").string()}, {"imgsz", 64}, {"workers", 0}, {"plots", false}};
  Overrides train = common;
  model.train(train.set("data", data.string()).set("epochs", 2).set("batch", 2));
  log.clear();
  Overrides val = common;
  const Metrics metrics = model.val(val.set("save_json", true).set("conf", 1e-6).set("name", "val"));
  const auto rows = nlohmann::json::parse(test::read_plainly(folder / "runs/val/predictions.json"));
  ASSERT_FALSE(rows.empty());
  std::set<std::string> files;
  for (const auto& row : rows) {
    files.insert(row.at("file_name"));
    const auto& box = row.at("bbox");  // x, y, width, height in a picture of 64 x 64
    EXPECT_GE(box.at(0).get<double>(), 0);
    EXPECT_GE(box.at(1).get<double>(), 0);
    EXPECT_LE(box.at(0).get<double>() + box.at(2).get<double>(), 64.001);
    EXPECT_LE(box.at(1).get<double>() + box.at(3).get<double>(), 64.001);
    EXPECT_TRUE(row.at("category_id") == 1 || row.at("category_id") == 2);
  }
  EXPECT_EQ(files.size(), 4u);
  EXPECT_NE(log.find("predictions.json by COCO's rules: mAP50 "), std::string::npos) << log;
  std::set<std::string> names;
  for (const auto& [name, value] : metrics.values) names.insert(name);
  for (const char* name : {"metrics/mAP_small(B)", "metrics/mAP_medium(B)", "metrics/mAP_large(B)"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

}  // namespace
}  // namespace boxcar
