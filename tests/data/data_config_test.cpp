#include "boxcar/data/dataset/data_config.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "boxcar/runtime/base/error.h"
#include "support/folder.h"
#include "support/golden.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
  return text;
}

/// null, a text or a list of texts of a golden case.
std::vector<fs::path> paths_of(const nlohmann::json& value, const std::string& root) {
  std::vector<fs::path> out;
  if (value.is_string()) out.push_back(replaced(value, "<ROOT>", root));
  if (value.is_array())
    for (const auto& item : value) out.push_back(replaced(item, "<ROOT>", root));
  return out;
}

/// The word that shows which of the checks failed.
std::string word_for(const std::string& kind) {
  if (kind == "FileNotFoundError") return "do not exist";
  if (kind == "TypeError") return "must be text";
  if (kind == "KeyError") return "'names'";
  return "";  // SyntaxError: several
}

TEST(LoadDataConfig, MatchesAllGoldenCases) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/data/dataset_yaml.json"));
  ASSERT_EQ(golden["cases"].size(), 25u);
  const test::Folder folder;
  for (const char* made : {"ws/ds/images/train", "ws/ds/images/val", "ws/images/val", "sets/shared/images/train",
                           "sets/shared/images/val"})
    fs::create_directories(folder / made);
  const std::string root = folder.path().string();
  const DataConfigOptions options{.datasets_folder = folder / "sets", .working_folder = folder / "ws"};
  bool first = true;
  for (const auto& c : golden["cases"]) {
    const std::string name = c["name"];
    const fs::path file = folder.write(first ? "ws/ds/data.yaml" : "ws/data.yaml", replaced(c["yaml"], "<ROOT>", root));
    first = false;
    if (!c["ok"].get<bool>()) {
      try {
        load_data_config(file.string(), options);
        ADD_FAILURE() << name << " was accepted";
      } catch (const DataError& e) {
        EXPECT_NE(std::string(e.what()).find(word_for(c["error_kind"])), std::string::npos) << name << ": " << e.what();
      }
      continue;
    }
    const DataConfig got = load_data_config(file.string(), options);
    EXPECT_EQ(got.root, replaced(c["path"], "<ROOT>", root)) << name;
    EXPECT_EQ(got.train, paths_of(c["train"], root)) << name;
    EXPECT_EQ(got.val, paths_of(c["val"], root)) << name;
    EXPECT_EQ(got.test, paths_of(c["test"], root)) << name;
    EXPECT_EQ(got.nc, c["nc"]) << name;
    ASSERT_EQ(got.names.size(), c["names"].size()) << name;
    for (const auto& [id, text] : c["names"].items()) EXPECT_EQ(got.names[std::stoul(id)], text) << name;
  }
}

class DataYaml : public testing::Test {
 protected:
  DataYaml() {
    fs::create_directories(folder_ / "images/train");
    fs::create_directories(folder_ / "images/val");
  }
  DataConfig load(const std::string& text) {
    folder_.write("d.yaml", text);
    return load_data_config("d.yaml", options());
  }
  DataConfigOptions options() const { return {.working_folder = folder_.path(), .home = folder_ / "home"}; }
  std::string message(const std::string& text, const DataConfigOptions& o) {
    folder_.write("d.yaml", text);
    try {
      load_data_config("d.yaml", o);
    } catch (const DataError& e) {
      return e.what();
    }
    return "accepted";
  }
  std::string message(const std::string& text) { return message(text, options()); }
  static std::string splits() { return "train: images/train\nval: images/val\n"; }

  test::Folder folder_;
};

TEST_F(DataYaml, NamesFollowYaml11) {
  const auto config = load(splits() +
                           "names: [no, ON, yEs, 010, 0x1F, 1_000, 1:30, 1.50, 1e3, .5, 'yes', \"3\", !!str 7, ~, "
                           "2.0, -.inf, 1.0e+20, -0, plain text, 0.00001, 12e03, 1.]\n");
  EXPECT_EQ(config.names,
            (std::vector<std::string>{"False", "True", "yEs",        "8",     "31",    "1000", "90",  "1.5",
                                      "1e3",   "0.5",  "yes",        "3",     "7",     "None", "2.0", "-inf",
                                      "1e+20", "0",    "plain text", "1e-05", "12e03", "1.0"}));
}

TEST_F(DataYaml, RefusesWhatCouldBeMisused) {
  EXPECT_NE(message("a: &x 1\n" + splits() + "nc: 1").find("anchor"), std::string::npos);
  EXPECT_NE(message("a: *x\n" + splits() + "nc: 1").find("d.yaml"), std::string::npos);
  EXPECT_NE(message(splits() + "nc: !!python/object:os.system 1").find("tag"), std::string::npos);
  EXPECT_NE(message(splits() + "nc: 1\nnc: 2").find("twice"), std::string::npos);
  EXPECT_NE(message(splits() + "nc: 100001").find("'nc'"), std::string::npos);
  EXPECT_NE(message(splits() + "nc: true").find("'nc'"), std::string::npos);
  EXPECT_NE(message("x: " + std::string(5000, '[')).find("d.yaml"), std::string::npos);
  EXPECT_NE(message("- a\n- b\n").find("keys and values"), std::string::npos);
  EXPECT_NE(message("").find("keys and values"), std::string::npos);
  EXPECT_NE(message("train: [\n").find("not valid YAML"), std::string::npos);
  EXPECT_NE(message("a: " + std::string(5 << 20, 'x')).find("bytes"), std::string::npos);
  EXPECT_NE(message(splits() + "names: {0: a, 0: b}").find("twice"), std::string::npos);
  EXPECT_NE(message(splits() + "names: {0: a, '0': b}").find("twice"), std::string::npos);
  EXPECT_NE(message(splits() + "names: {x: a}").find("whole number"), std::string::npos);
  EXPECT_NE(message(splits() + "names: [[a]]").find("class name"), std::string::npos);
  EXPECT_NE(message(splits() + "nc: 1\nchannels: 4").find("'channels'"), std::string::npos);
  EXPECT_NE(message("train: [1]\nval: images/val\nnc: 1").find("'train'"), std::string::npos);
}

TEST_F(DataYaml, ARequestedSplitMustBeThere) {
  DataConfigOptions o = options();
  o.split = "test";
  EXPECT_NE(message(splits() + "nc: 1", o).find("'test' was asked for"), std::string::npos);
  EXPECT_NE(message(splits() + "test: nope\nnc: 1", o).find("test images"), std::string::npos);
  EXPECT_EQ(message(splits() + "test: images/val\nnc: 1", o), "accepted");
  o.split = "other";
  EXPECT_THROW(message(splits() + "nc: 1", o), ArgumentError);
}

TEST_F(DataYaml, DownloadIsNamedOnlyWhereTheDataIsMissing) {
  EXPECT_NE(
      message("train: a\nval: b\nnc: 1\ndownload: https://example.com/x.zip").find("'download:' is not supported"),
      std::string::npos);
  EXPECT_EQ(message(splits() + "nc: 1\nchannels: 1\ndownload: bash x"), "accepted");
}

TEST_F(DataYaml, HomeIsExpanded) {
  fs::create_directories(folder_ / "home/set/val");
  const auto config = load("path: ~/set\ntrain: train\nval: val\nnc: 1");
  EXPECT_EQ(config.val, std::vector{folder_ / "home/set/val"});
}

TEST_F(DataYaml, IsFoundByNameAndByFolder) {
  folder_.write("cfg/tiny.yaml", "path: " + folder_.path().string() + "\n" + splits() + "nc: 2\n");
  DataConfigOptions o = options();
  o.search_folders = {folder_ / "cfg"};
  EXPECT_EQ(load_data_config("tiny", o).nc, 2);
  EXPECT_EQ(load_data_config("tiny.yaml", o).yaml, folder_ / "cfg/tiny.yaml");
  EXPECT_EQ(load_data_config("cfg", o).nc, 2);
  EXPECT_EQ(load_data_config("cfg/", o).nc, 2);
  folder_.write("cfg/cfg.yaml", "path: " + folder_.path().string() + "\n" + splits() + "nc: 5\n");
  EXPECT_EQ(load_data_config("cfg/", o).nc, 5);
  fs::rename(folder_ / "cfg/cfg.yaml", folder_ / "cfg/other.yaml");
  EXPECT_THROW(load_data_config("cfg", o), DataError);
  EXPECT_THROW(load_data_config("images", o), DataError);
  EXPECT_THROW(load_data_config("nothing", o), DataError);
  EXPECT_THROW(load_data_config("x.zip", o), DataError);
  EXPECT_THROW(load_data_config("", o), DataError);
}

}  // namespace
}  // namespace boxcar
