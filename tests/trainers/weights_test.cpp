// Weights from files of the reference and of our own.
#include "boxcar/trainers/checkpoint/weights.h"

#include <gtest/gtest.h>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/safetensors.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

const std::filesystem::path kFolder = test::shared("golden/model/checkpoint");

TEST(Weights, ReferenceCheckpointsBecomeModels) {
  BOXCAR_NEED_SHARED();
  for (const char* file : {"training.pt", "stripped.pt"}) {
    const Weights weights = Weights::read(kFolder / file);
    EXPECT_EQ(weights.names(), (std::vector<std::string>{"red", "green", "blue"})) << file;
    const ModelSpec spec = weights.spec();
    EXPECT_EQ(spec.nc, 3);
    EXPECT_EQ(spec.scale, "t");
    DetectionModel model(spec);
    weights.load_all_into(model);
    Stream stream;
    EXPECT_EQ(weights.load_into(model).taken.size(), weights.tensors().size()) << file;
  }
}

TEST(Weights, BareTensorsNeedADescription) {
  BOXCAR_NEED_SHARED();
  for (const char* file : {"state_dict.pt", "state_dict_nested.pt"}) {
    const Weights weights = Weights::read(kFolder / file);
    EXPECT_FALSE(weights.tensors().empty());
    EXPECT_THROW(weights.spec(), ModelError) << file;
    DetectionModel model(
        load_model_spec(test::shared("golden/model/models/tiny11.yaml").string(), {.nc = 3, .scale = "t"}));
    weights.load_all_into(model);
  }
}

TEST(Checkpoint, SurvivesAFile) {
  test::Folder folder;
  Checkpoint c;
  c.epoch = 4;
  c.model_text = "nc: 1";
  c.names = {"a"};
  c.strides = {8, 16};
  c.args_yaml = "task: detect\n";
  c.ema = {{"w", {DType::kF32, {2}, std::vector<std::byte>(8)}}};
  c.optimizer = {{"momentum_buffer", c.ema}};
  c.best_fitness = 0.25;
  c.momentum = 0.9;
  c.last_step = 7;
  c.instruction_set = "avx2";
  Checkpoint(c).write(folder / "c.pt");
  const Checkpoint d = Checkpoint::read(folder / "c.pt");
  EXPECT_EQ(d.epoch, 4);
  EXPECT_EQ(d.names, c.names);
  EXPECT_EQ(d.strides, c.strides);
  EXPECT_EQ(d.ema, c.ema);
  EXPECT_EQ(d.optimizer, c.optimizer);
  EXPECT_EQ(d.best_fitness, 0.25);
  EXPECT_FALSE(d.fitness);
  EXPECT_EQ(d.momentum, 0.9);
  EXPECT_EQ(d.last_step, 7);
}

TEST(Checkpoint, FilesOfOthersAreNotResumed) {
  BOXCAR_NEED_SHARED();
  EXPECT_THROW(Checkpoint::read(kFolder / "training.pt"), IoError);
  EXPECT_THROW(Checkpoint::read(kFolder / "no_such_file.pt"), IoError);
}

TEST(Weights, FoldedWeightsAreRefused) {
  test::Folder folder;
  const HostTensor t{DType::kF32, {1}, std::vector<std::byte>(4)};
  write_safetensors(folder / "f.safetensors", {{"model.0.conv.weight", t}, {"model.0.conv.bias", t}});
  const Weights weights = Weights::read(folder / "f.safetensors");
  DetectionModel model(parse_model_spec(
      "nc: 1\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\nhead:\n  - [[0], 1, Detect, [nc]]\n", "t.yaml"));
  EXPECT_THROW(weights.load_into(model), ModelError);
}

}  // namespace
}  // namespace boxcar
