// Model files against the facts of the reference.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/runtime/base/error.h"
#include "nn/model_spec_support.h"
#include "support/golden.h"

namespace boxcar {
namespace {

using test::builtin, test::expect_refused;

/// The constructor arguments as the reference lists them: those that its row and its builder give.
struct ReferenceArguments {
  std::size_t given;  // arguments in the row
  std::string operator()(const ConvSpec& c) const {
    return fmt::format("[{}, {}, {}, {}]", c.c1, c.c2, c.kernel, c.stride);
  }
  std::string operator()(const C2fSpec& c) const {
    return fmt::format("[{}, {}, {}{}]", c.c1, c.c2, c.n, given > 1 ? truth(c.shortcut) : "");
  }
  std::string operator()(const C3k2Spec& c) const {
    return fmt::format("[{}, {}, {}{}{}]", c.c1, c.c2, c.n, truth(c.c3k), given > 2 ? fmt::format(", {}", c.e) : "");
  }
  std::string operator()(const SppfSpec& c) const { return fmt::format("[{}, {}, {}]", c.c1, c.c2, c.kernel); }
  std::string operator()(const C2psaSpec& c) const { return fmt::format("[{0}, {0}, {1}]", c.c, c.n); }
  std::string operator()(const UpsampleSpec& u) const { return fmt::format("[None, {}, 'nearest']", u.factor); }
  std::string operator()(const ConcatSpec&) const { return "[1]"; }
  std::string operator()(const DetectSpec& d) const {
    std::string channels;
    for (const int c : d.channels) channels += fmt::format("{}{}", channels.empty() ? "" : ", ", c);
    return fmt::format("[{}, {}, None, [{}]]", d.nc, d.reg_max, channels);
  }
  template <class Other>
  std::string operator()(const Other&) const {
    return "not in these models";
  }
  static std::string truth(bool v) { return v ? ", True" : ", False"; }
};

/// Arguments of a row, counted in its text: the commas of the last list.
std::size_t arguments_in(const LayerSpec& layer) {
  const auto open = layer.text.rfind('[');
  return 1 + std::count(layer.text.begin() + static_cast<std::ptrdiff_t>(open), layer.text.end(), ',');
}

std::vector<int> absolute(const nlohmann::json& from, int index) {
  std::vector<int> out;
  for (const auto& f : from.is_array() ? from : nlohmann::json::array({from})) {
    out.push_back(f.get<int>() < 0 ? index + f.get<int>() : f.get<int>());
  }
  return out;
}

void expect_layer(const LayerSpec& layer, const nlohmann::json& row) {
  SCOPED_TRACE(layer.text);
  const std::string name = layer.module.starts_with("nn.") ? layer.module.substr(3) : layer.module;
  EXPECT_EQ(name, row["module"]);
  EXPECT_EQ(layer.index, row["index"]);
  EXPECT_EQ(layer.from, absolute(row["from"], layer.index));
  EXPECT_EQ(layer.repeats, row["repeats"]);
  EXPECT_EQ(std::visit(ReferenceArguments{arguments_in(layer)}, layer.spec), row["args"]);
  if (row["out_at_64x64"].is_null()) return;
  EXPECT_EQ(layer.out_channels, row["out_at_64x64"][0]);
  EXPECT_EQ(layer.size_at_256, 4 * row["out_at_64x64"][1].get<int>());
}

TEST(ModelSpecGolden, RowsOfYolov8AndYolo11AtEveryScale) {
  BOXCAR_NEED_SHARED();
  const std::set<std::string> not_supported_yet{"yolo26n",  "yolo26s",  "yolo26m",  "yolo26l", "yolo26x",  "yolov5n",
                                                "yolov5s",  "yolov5m",  "yolov5l",  "yolov5x", "yolov10n", "yolov10s",
                                                "yolov10m", "yolov10b", "yolov10l", "yolov10x"};
  int checked = 0;
  const auto golden = test::read_json(test::shared("golden/model/architectures.json"));
  for (const auto& model : golden.at("models")) {
    const std::string name = model["name"];
    if (not_supported_yet.contains(name)) continue;
    SCOPED_TRACE(name);
    const ModelSpec spec = load_model_spec(name + ".yaml", {}, builtin);
    EXPECT_EQ(spec.nc, model["nc"]);
    EXPECT_EQ(spec.save, model["save"].get<std::vector<int>>());
    EXPECT_EQ(spec.head().strides, model["stride"].get<std::vector<int>>());
    EXPECT_EQ(spec.head().legacy, name.starts_with("yolov8"));
    ASSERT_EQ(spec.layers.size(), model["rows"].size());
    for (std::size_t i = 0; i < spec.layers.size(); ++i) expect_layer(spec.layers[i], model["rows"][i]);
    ++checked;
  }
  EXPECT_EQ(checked, 10);
}

TEST(ModelSpecGolden, ScaleLettersOfFileNames) {
  BOXCAR_NEED_SHARED();
  const auto golden = test::read_json(test::shared("golden/model/yaml_rules.json"));
  ASSERT_EQ(golden.at("scale_from_file_name").size(), 19u);
  for (const auto& c : golden.at("scale_from_file_name")) {
    EXPECT_EQ(scale_from_file_name(c["file"]), c["scale"]) << c;
    EXPECT_EQ(without_scale_letter(c["file"]), c["fallback_file"]) << c;
  }
}

TEST(ModelSpecGolden, ChannelsRepeatsAndPadding) {
  BOXCAR_NEED_SHARED();
  const auto rules = test::read_json(test::shared("golden/model/yaml_rules.json"));
  ASSERT_EQ(rules.at("channels").size(), 90u);
  ASSERT_EQ(rules.at("repeats").size(), 72u);
  ASSERT_EQ(rules.at("autopad").size(), 21u);
  for (const auto& c : rules.at("channels"))
    EXPECT_EQ(scaled_channels(c["c"], c["width"], c["max_channels"]), c["result"]) << c;
  for (const auto& c : rules.at("repeats")) EXPECT_EQ(scaled_repeats(c["n"], c["depth"]), c["result"]) << c;
  for (const auto& c : rules.at("autopad")) EXPECT_EQ(auto_padding(c["k"], c["d"]), c["pad"]) << c;
}

/// "builds: 60354 parameters, stride [8.0]" -> {8}
std::vector<int> strides_in(const std::string& text) {
  std::vector<int> out;
  std::istringstream in(text.substr(text.find('[') + 1));
  for (double stride = 0; in >> stride; in.ignore(1)) out.push_back(static_cast<int>(stride));
  return out;
}

TEST(ModelSpecGolden, BuildsWhatTheReferenceBuildsAndRefusesTheRest) {
  BOXCAR_NEED_SHARED();
  // The reference builds these, to no sensible end.
  const std::set<std::string> senseless{"repeats 0", "negative repeats", "no head module at the end",
                                        "Detect in the middle"};
  int good = 0, bad = 0;
  const auto golden = test::read_json(test::shared("golden/model/yaml_rules.json"));
  for (const auto& c : golden.at("builds")) {
    const std::string name = c["case"], reference = c["reference"];
    SCOPED_TRACE(name);
    if (reference.starts_with("builds") && !senseless.contains(name)) {
      EXPECT_EQ(parse_model_spec(c["yaml"], "net.yaml").head().strides, strides_in(reference));
      ++good;
    } else {
      expect_refused(c["yaml"], "net.yaml");
      ++bad;
    }
  }
  EXPECT_EQ(good, 5);
  EXPECT_EQ(bad, 31);
}

TEST(ModelSpecGolden, RefusalsNameTheirCause) {
  BOXCAR_NEED_SHARED();
  const std::map<std::string, std::string> causes{
      {"unknown module",
       "net.yaml:7: row 1 [-1, 1, Convv, [16, 3, 2]]: the module 'Convv' is not known; did you mean Conv?"},
      {"unknown nn module", "'nn.NoSuch' is not known"},
      {"a name that is not a layer", "'os' is not known"},
      {"from points forward", "row 1 [2, 1, Conv, [16, 3, 2]]: reads layer 2, which does not come before it"},
      {"from before the first layer", "reads layer -5, which lies before the first"},
      {"from out of range in Detect", "reads layer 9, which does not come before it"},
      {"Conv from a list", "Conv reads one layer, but from is a list"},
      {"Concat from a number", "Concat reads a list of layers"},
      {"Concat of different sizes", "128 x 128 and 64 x 64"},
      {"repeats 0", "has 0 as its repeats"},
      {"negative repeats", "has -1 as its repeats"},
      {"row of three items", "must be a list of four items"},
      {"no arguments", "needs at least one argument"},
      {"too many arguments", "takes at most 7 arguments"},
      {"zero channels", "argument 1 (channels) is 0"},
      {"channels not a number", "argument 1 (channels) is the text 'abc'"},
      {"groups that do not divide", "has 3 groups, which do not divide"},
      {"no backbone", "the key 'backbone' is missing"},
      {"no head", "the key 'head' is missing"},
      {"no nc", "the key 'nc' is missing"},
      {"nc zero", "nc is 0, but must be"},
      {"nc negative", "nc is -3, but must be"},
      {"nc is text", "nc is the text 'eighty', but must be"},
      {"scale not listed", "the scale 'q' is not in scales (n)"},
      {"scale of two numbers", "the scale 'n' must be a list of three numbers"},
      {"no head module at the end", "the last row must be the detection head"},
      {"Detect in the middle", "follows the detection head"},
      {"C2PSA that changes channels", "has 16 input and 32 output channels, which must be equal"},
      {"unknown activation", "the activation \"nn.Nope()\" is not known"},
      {"reg_max 0", "reg_max is 0, but must be"},
      {"module name as a Python call", "the module 'nn.Conv2d(1,1,1)' is not known; did you mean nn.Conv2d?"}};
  std::size_t seen = 0;
  const auto golden = test::read_json(test::shared("golden/model/yaml_rules.json"));
  for (const auto& c : golden.at("builds")) {
    const auto cause = causes.find(c["case"]);
    if (cause == causes.end()) continue;
    SCOPED_TRACE(cause->first);
    expect_refused(c["yaml"], cause->second);
    ++seen;
  }
  EXPECT_EQ(seen, causes.size());
}

TEST(ModelSpecGolden, TestNetworks) {
  BOXCAR_NEED_SHARED();
  for (const std::string name : {"tiny8", "tiny11", "tiny11_m"}) {
    SCOPED_TRACE(name);
    const auto expected = test::read_json(test::shared("golden/model/models/" + name + ".json"));
    ModelSpecOptions options;
    options.scale = expected["scale"];
    const auto file = test::shared("golden/model/models/" + name.substr(0, name.find('_')) + ".yaml");
    const ModelSpec spec = load_model_spec(file.string(), options);
    EXPECT_EQ(spec.nc, expected["nc"]);
    EXPECT_EQ(spec.save, expected["save"].get<std::vector<int>>());
    EXPECT_EQ(spec.head().strides, expected["stride"].get<std::vector<int>>());
  }
  expect_refused(test::read_plainly(test::shared("golden/model/models/tiny26.yaml")), "end2end: true");
}

}  // namespace
}  // namespace boxcar
