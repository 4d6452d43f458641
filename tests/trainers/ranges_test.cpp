// The ranges of a training run, as NVIDIA's tools would show them.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "boxcar/runtime/profile/emulated_ranges.h"
#include "boxcar/trainers/detect/detection_trainer.h"
#include "support/folder.h"
#include "support/tiny_dataset.h"

namespace boxcar {
namespace {

TEST(TrainingRanges, AreTheStages) {
  const test::Folder folder;
  std::vector<std::string> open, paths;
  emulation::set_range_sink([&](const char* name) {
    if (!name) return open.pop_back();
    open.emplace_back(name);
    std::string path;
    for (const std::string& range : open) path += "/" + range;
    if (std::ranges::find(paths, path) == paths.end()) paths.push_back(path);
  });
  DetectionTrainer trainer({{"model", folder.write("net.yaml", test::kTinyNetwork).string()},
                            {"data", test::make_tiny_dataset(folder / "tinyds").string()},
                            {"project", (folder / "runs").string()},
                            {"epochs", 1},
                            {"batch", 4},
                            {"imgsz", 64},
                            {"workers", 0},
                            {"plots", false},
                            {"device", "cpu"}});
  trainer.train();
  emulation::set_range_sink(nullptr);
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(paths,
            (std::vector<std::string>{"/epoch", "/epoch/images", "/epoch/batch", "/epoch/step", "/epoch/step/model",
                                      "/epoch/step/loss", "/epoch/step/gradients", "/epoch/optimizer",
                                      "/epoch/validation", "/epoch/checkpoint", "/validation"}));
}

}  // namespace
}  // namespace boxcar
