// Finding model files, reading untrusted text, and writing a description down again.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <random>

#include "boxcar/nn/model/model_spec.h"
#include "nn/model_spec_support.h"
#include "support/files.h"
#include "support/folder.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;
using test::builtin, test::expect_refused, test::with_row;

class ModelFile : public ::testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    fs::create_directories((folder_ / name).parent_path());
    return test::write_plainly(folder_ / name, text).string();
  }

  static std::string refusal(const std::string& file, const BuiltinModels& models = {}) {
    try {
      load_model_spec(file, {}, models);
      return "";
    } catch (const ModelError& e) {
      return e.what();
    }
  }

  const std::string scaled_ = with_row("[-1, 1, Conv, [64]]", "nc: 2\nscales: {n: [1, 0.25, 64], s: [1, 0.5, 64]}");
  test::Folder folder_;
};

TEST_F(ModelFile, TheExactFileComesBeforeTheOneWithoutLetter) {
  write("exp1n/yolo11.yaml", scaled_);
  const std::string name = (folder_ / "exp1n/yolo11s.yaml").string();
  EXPECT_EQ(load_model_spec(name).scale, "s");  // the folder keeps its letter
  EXPECT_EQ(load_model_spec(name).layers[1].out_channels, 32);
  write("exp1n/yolo11s.yaml", with_row("[-1, 1, Conv, [8]]"));
  EXPECT_EQ(load_model_spec(name).layers[1].out_channels, 8);
}

TEST_F(ModelFile, TheLetterOfTheNameWinsOverTheKeyAndTheCallerOverBoth) {
  const std::string file = write("my-yolo11s-v2.yaml", "scale: n\n" + scaled_);
  EXPECT_EQ(load_model_spec(file).scale, "s");
  ModelSpecOptions options;
  options.scale = "n";
  EXPECT_EQ(load_model_spec(file, options).scale, "n");
  EXPECT_EQ(load_model_spec(write("mine.yml", "scale: s\n" + scaled_)).scale, "s");
  EXPECT_NE(refusal(write("yolo11x.yaml", scaled_)).find("the scale 'x' is not in scales (n, s)"), std::string::npos);
}

TEST_F(ModelFile, BuiltInModelsAreFoundByNameOnly) {
  EXPECT_EQ(load_model_spec("yolo11n.yaml", {}, builtin).scale, "n");
  EXPECT_EQ(load_model_spec("yolov8m.yaml", {}, builtin).head().channels, (std::vector<int>{192, 384, 576}));
  EXPECT_NE(refusal("no/such/folder/yolo11n.yaml", builtin).find("does not exist"), std::string::npos);
  EXPECT_EQ(refusal("yolo12n.yaml", builtin),
            "the model file 'yolo12n.yaml' does not exist (nor does 'yolo12.yaml'), as a file or among the built-in "
            "models; check the name and the folder");
  EXPECT_NE(refusal("nothing.yaml").find("does not exist, as"), std::string::npos);
  EXPECT_NE(refusal("yolo11n.pt", builtin).find("must end in .yaml or .yml"), std::string::npos);
  EXPECT_NE(refusal("", builtin).find("must end in"), std::string::npos);
}

TEST_F(ModelFile, OldNamesOfP6Models) {
  const auto p6 = [this](std::string name) -> std::optional<std::string> {
    return name == "yolov8-p6.yaml" ? std::optional(scaled_) : std::nullopt;
  };
  EXPECT_EQ(load_model_spec("yolov8n6.yaml", {}, p6).scale, "n");
  EXPECT_EQ(load_model_spec("yolov8s-p6.yaml", {}, p6).scale, "s");
}

TEST_F(ModelFile, MessagesNameTheFileAndTheLine) {
  const std::string file = write("bad.yaml", "nc: 2\nbackbone:\n  - [-1, 1, Konv, [16]]\nhead: []\n");
  EXPECT_EQ(refusal(file), file + ":3: row 0 [-1, 1, Konv, [16]]: the module 'Konv' is not known; did you mean Conv?");
  fs::create_directories(folder_ / "folder.yaml");
  EXPECT_NE(refusal((folder_ / "folder.yaml").string()).find("does not exist"), std::string::npos);
  EXPECT_THROW(load_model_spec(write("big.yaml", std::string((1 << 20) + 1, '#'))), IoError);
  EXPECT_NE(refusal(write("empty.yaml", "")).find("the file is empty"), std::string::npos);
}

TEST(ModelText, RefusesWhatADescriptionNeverNeeds) {
  expect_refused(std::string((1 << 20) + 1, '#'), "is too large");
  expect_refused("", "the file is empty");
  expect_refused("# nothing\n", "the file is empty");
  expect_refused("5", "a model file is a map");
  expect_refused("[1]", "a model file is a map");
  expect_refused("nc: &n 2\nbackbone: []\nhead: []", "an anchor (&name) is not allowed");
  expect_refused("nc: 2\nbackbone: *x\nhead: []", "net.yaml:2: ");
  expect_refused("nc: !!python/object/apply:os.system ['true']", "the tag '");
  expect_refused("nc: !!int 2", "the tag '");
  expect_refused("nc: 2\nnc: 3\n", "the key 'nc' is given twice");
  expect_refused("? [a]\n: 1\n", "a list or map as a key");
  expect_refused("<<: {nc: 2}\nbackbone: []\nhead: []", "the key '<<' is not known");
  expect_refused("nc: 2\nbackbone: []\nhead: []\n---\nnc: 3\n", "a second document");
  expect_refused("nc: [2\n", "not valid YAML");
  expect_refused("\tnc: 2\n", "not valid YAML");
  expect_refused(std::string("\0\x01\xff\xfe", 4), "net.yaml");
  expect_refused("nc: 2\nbackbone: " + std::string(20, '[') + std::string(20, ']'), "nesting deeper than 16");
  expect_refused("nc: 2\nbackbone: " + std::string(100000, '['), "net.yaml");
  expect_refused("nc: 2\nbackbone: " + std::string(100000, '{'), "net.yaml");
  std::string many = "nc: 2\nbackbone: [";
  for (int i = 0; i < 200000; ++i) many += "1, ";
  expect_refused(many + "1]\nhead: []", "more than 100000 values");
  std::string keys;
  for (int i = 0; i < 1001; ++i) keys += "k" + std::to_string(i) + ": 1\n";
  expect_refused(keys, "a map of more than 1000 keys");
  std::string rows = "nc: 2\nbackbone:\n";
  for (int i = 0; i < 1001; ++i) rows += "- [-1, 1, nn.Identity, []]\n";
  expect_refused(rows + "head: []", "1000 rows are the limit");
}

TEST(ModelText, JsonIsReadToo) {
  const auto json = nlohmann::json::parse(R"({"nc": 3, "scale": "n", "scales": {"n": [1, 0.5, 64]}, "channels": 3,
    "backbone": [[-1, 1, "Conv", [64, 3, 2]], [-1, 1, "nn.Upsample", ["None", 2, "nearest"]]],
    "head": [[[0, 1], 1, "Detect", ["nc"]]]})");
  EXPECT_EQ(parse_model_spec(json.dump(), "net.yaml").head().strides, (std::vector<int>{2, 1}));
  EXPECT_EQ(parse_model_spec(json.dump(2), "net.yaml").layers[0].out_channels, 32);
}

TEST(ModelText, TheNormalisedTextGivesTheSameDescription) {
  for (const std::string name : {"yolo11n", "yolo11m", "yolov8x", "yolov8s"}) {
    ModelSpecOptions options;
    options.nc = 7;
    options.channels = 1;
    const ModelSpec first = load_model_spec(name + ".yaml", options, builtin);
    const ModelSpec second = parse_model_spec(first.yaml, "copy.yaml");
    EXPECT_EQ(second.yaml, first.yaml);
    EXPECT_EQ(second.scale, first.scale);
    EXPECT_EQ(second.nc, 7);
    EXPECT_EQ(second.channels, 1);
    EXPECT_EQ(second.save, first.save);
    EXPECT_EQ(second.head().channels, first.head().channels);
    EXPECT_EQ(second.head().legacy, first.head().legacy);
  }
  const std::string keys =
      "nc: 2\nactivation: nn.LeakyReLU(0.1)\nreg_max: 8\ndepth_multiple: 0.33\nwidth_multiple: 0.1";
  const ModelSpec first = parse_model_spec(with_row("[-1, 3, C2f, [100, 'True', 1, \".5\"]]", keys), "net.yaml");
  const ModelSpec second = parse_model_spec(first.yaml, "net.yaml");
  EXPECT_EQ(second.yaml, first.yaml);
  EXPECT_EQ(second.activation.parameter, 0.1f);
  EXPECT_EQ(second.reg_max, 8);
  EXPECT_EQ(second.depth, 0.33);
  EXPECT_EQ(second.width, 0.1);
  EXPECT_EQ(second.layers[1].text, first.layers[1].text);
}

TEST(ModelText, DamagedFilesAreReadOrRefusedButNothingElse) {
  const std::string good = *builtin("yolo11.yaml");
  std::mt19937 random(1);
  int refused = 0;
  for (int i = 0; i < 1500; ++i) {
    std::string text = good;
    for (unsigned edits = 1 + random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0:
          text[at] = "[]{}:,-&*!?#'\"\n 0189nNcC|>%@~"[random() % 30];
          break;
        case 1:
          text.erase(at, random() % 8);
          break;
        case 2:
          text.insert(at, text, random() % text.size(), random() % 30);
          break;
        default:
          text[at] = static_cast<char>(random() % 256);
          break;
      }
    }
    try {
      parse_model_spec(text, "net.yaml");
    } catch (const ModelError& e) {
      ++refused;
      EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace boxcar
