// Whole networks against the reference: tiny8, tiny11, tiny11_m; names, shapes and sizes of the real ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/model_info.h"
#include "nn/golden_network.h"

namespace boxcar {
namespace {

using test::add_head_grad;
using test::as_nchw;
using test::Golden;
using test::GoldenTensor;
using test::head_map;
using test::image;
using test::state_of;

// golden/model/README.md, b.
constexpr double kBoxPixels = 5e-3, kScore = 2e-5, kTrain = 3e-4, kRunning = 2e-5, kGradient = 1.5e-3;

void expect_relative(const std::vector<float>& ours, const GoldenTensor& golden, double relative,
                     const std::string& what, double absolute = 0) {
  const auto reference = golden.floats();
  EXPECT_LE(test::max_difference(ours, reference), std::max(absolute, relative * test::max_abs(reference))) << what;
}

// [N,1,A,4+nc] rows against the reference's [N,4+nc,A].
void expect_decoded(const Tensor& decoded, const GoldenTensor& golden, Stream& stream, const char* what) {
  const Shape s = decoded.shape();
  const auto ours = test::to_nchw(decoded.to_host(stream), s.n, s.h, s.w, s.c);
  const auto reference = golden.floats();
  ASSERT_EQ(ours.size(), reference.size());
  double box = 0, score = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    double& worst = (i / std::size_t(s.w)) % std::size_t(s.c) < 4 ? box : score;
    worst = std::max(worst, std::abs(double{ours[i]} - double{reference[i]}));
    ASSERT_FALSE(std::isnan(ours[i])) << what;
  }
  EXPECT_LE(box, kBoxPixels) << what;
  EXPECT_LE(score, kScore) << what;
}

class WholeNetwork : public testing::TestWithParam<const char*> {
 protected:
  void load() {
    const std::string base = std::string("golden/model/models/") + GetParam();
    golden_ = test::read_golden(test::shared(base + ".safetensors"));
    json_ = test::read_json(test::shared(base + ".json"));
    const auto yaml = test::shared("golden/model/" + json_["yaml"].get<std::string>());
    model_ =
        std::make_unique<DetectionModel>(load_model_spec(yaml.string(), {.scale = json_["scale"].get<std::string>()}));
    const NamedTensors state = state_of(golden_);
    EXPECT_EQ(nn::load_matching(*model_, state, stream_).size(), state.size());
    model_->prepare(stream_);
    arena_ = std::make_unique<nn::ParamArena>(*model_, stream_, 0);
    EXPECT_EQ(arena_->entries().size(), state.size());
  }

  void check_trace(const char* name, double relative, int layer, const nn::Value& value) {
    for (const auto& row : json_[name]) {
      if (row["layer"] != layer) continue;
      const auto host = as_nchw(value.tensor().packed() ? value.tensor() : value.tensor().clone(stream_), stream_);
      double mean_abs = 0;
      for (const float v : host) mean_abs += std::abs(double{v}) / double(host.size());
      EXPECT_NEAR(mean_abs, row["mean_abs"].get<double>(), relative * row["mean_abs"].get<double>())
          << name << " of layer " << layer;
    }
  }

  Stream stream_;
  Golden golden_;
  nlohmann::json json_;
  std::unique_ptr<DetectionModel> model_;
  std::unique_ptr<nn::ParamArena> arena_;
};

TEST_P(WholeNetwork, EvaluationAndFusedEvaluation) {
  BOXCAR_NEED_SHARED();
  load();
  for (const char* what : {"eval", "fused"}) {
    if (what == std::string("fused")) model_->fuse(stream_);
    nn::Context context(stream_, nn::Pass::kEvaluate);
    model_->set_trace([&](int layer, const nn::Value& v) { check_trace("eval_trace", 1e-5, layer, v); });
    const Outputs outputs = model_->forward(context, nn::Value(context, image(stream_, golden_.at("input"))));
    expect_decoded(model_->decode(context, outputs).tensor(), golden_.at(what), stream_, what);
    EXPECT_EQ(context.copies(), 0);
  }
  std::int64_t keys = 0, parameters = 0;
  model_->for_each_parameter([&](const std::string& name, nn::Parameter& p) {
    ++keys;
    parameters += p.shape.count();
    if (const auto found = golden_.find("fused_state." + name); found != golden_.end()) {
      const HostTensor ours = nn::to_file(p, p.value.to_host(stream_));
      expect_relative({ours.as<float>(), ours.as<float>() + ours.count()}, found->second, 1e-5, name);
    }
  });
  EXPECT_EQ(keys, json_["fused"]["state_keys"]);
  EXPECT_EQ(parameters, json_["fused"]["params"]);
}

TEST_P(WholeNetwork, TrainingPassAndGradients) {
  BOXCAR_NEED_SHARED();
  load();
  nn::Context context(stream_);
  const nn::Value input(context, image(stream_, golden_.at("input")), true);
  model_->set_trace([&](int layer, const nn::Value& v) { check_trace("train_trace", kTrain, layer, v); });
  const Outputs outputs = model_->forward(context, input);
  expect_relative(head_map(outputs, 0, stream_), golden_.at("train.boxes"), kTrain, "boxes");
  expect_relative(head_map(outputs, 1, stream_), golden_.at("train.scores"), kTrain, "scores");
  add_head_grad(outputs, 0, golden_.at("grad_out.boxes"), stream_);
  add_head_grad(outputs, 1, golden_.at("grad_out.scores"), stream_);
  context.backward();
  EXPECT_EQ(context.tape_size(), 0u);
  EXPECT_EQ(context.copies(), 0);
  expect_relative(as_nchw(input.grad().as_one(stream_), stream_), golden_.at("grad_input"), kGradient, "input");

  // Zero in exact arithmetic: norm biases without activation before another norm (spec/model.md 2.5).
  const std::set<std::string> zero{"model.10.m.0.attn.proj.bn.bias", "model.10.m.0.attn.pe.bn.bias",
                                   "model.10.m.0.ffn.1.bn.bias"};
  double largest = 0;
  for (const auto& [name, norm] : json_["grad_norms"].items()) largest = std::max(largest, norm.get<double>());
  for (const auto& entry : arena_->entries()) {
    const auto& p = *entry.parameter;
    if (p.trainable) {
      const auto grad = p.grad.to_host(stream_);
      double norm = 0;
      for (const float g : grad) norm += double{g} * g;
      const double reference = json_["grad_norms"][entry.name];
      const double absolute = zero.count(entry.name) ? 1e-5 * largest : 0;
      EXPECT_NEAR(std::sqrt(norm), reference, std::max(absolute, kGradient * reference)) << entry.name;
      if (const auto found = golden_.find("grad." + entry.name); found != golden_.end()) {
        const HostTensor ours = nn::to_file(p, grad);
        expect_relative({ours.as<float>(), ours.as<float>() + ours.count()}, found->second, kGradient, entry.name,
                        absolute);
      }
    }
    const auto found = golden_.find("after." + entry.name);
    if (found != golden_.end() && entry.offset >= 0) {
      expect_relative(p.value.to_host(stream_), found->second, kRunning, entry.name);
    }
  }
}

TEST_P(WholeNetwork, NoConvolutionRunsOnAReferenceImplementation) {
  BOXCAR_NEED_SHARED();
  load();
  nn::Context context(stream_);
  const nn::Value input(context, image(stream_, golden_.at("input")), false);
  const Outputs outputs = model_->forward(context, input);
  add_head_grad(outputs, 0, golden_.at("grad_out.boxes"), stream_);
  add_head_grad(outputs, 1, golden_.at("grad_out.scores"), stream_);
  context.backward();
  const auto names = kernels::conv_implementations(stream_);
  EXPECT_GT(names.size(), 30u);  // the others are our own kernels
  for (const std::string& name : names) EXPECT_EQ(name.find("ref"), std::string::npos) << name;
}

INSTANTIATE_TEST_SUITE_P(Tiny, WholeNetwork, testing::Values("tiny8", "tiny11", "tiny11_m"),
                         [](const auto& param) { return std::string(param.param); });

// tiny26 has YOLO26's two branches, which no model here builds yet.
TEST(WholeNetworkList, LeavesOutOnlyTiny26) {
  BOXCAR_NEED_SHARED();
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(test::shared("golden/model/models"))) {
    if (file.path().extension() == ".safetensors") names.insert(file.path().stem());
  }
  EXPECT_EQ(names, (std::set<std::string>{"tiny8", "tiny11", "tiny11_m", "tiny26"}));
}

std::optional<std::string> model_in_tree(const std::string& name) {
  std::ifstream in(std::string(BOXCAR_SOURCE_DIR) + "/cfg/models/" + name);
  if (!in) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(in), {});
}

std::string shape_text(const std::vector<std::int64_t>& shape) {
  if (shape.empty()) return "scalar";
  std::string text;
  for (const auto side : shape) text += (text.empty() ? "" : "x") + std::to_string(side);
  return text;
}

class Architecture : public testing::TestWithParam<const char*> {};

TEST_P(Architecture, NamesShapesParametersAndGflops) {
  BOXCAR_NEED_SHARED();
  const nlohmann::json all = test::read_json(test::shared("golden/model/architectures.json"))["models"];
  const auto found = std::find_if(all.begin(), all.end(), [](const auto& m) { return m["name"] == GetParam(); });
  ASSERT_NE(found, all.end());
  const nlohmann::json& expected = *found;
  Stream stream;
  DetectionModel model(load_model_spec(std::string(GetParam()) + ".yaml", {}, model_in_tree));
  const ModelInfo info = model_info(model, stream);
  EXPECT_EQ(info.parameters, expected["params"]);
  EXPECT_EQ(info.gradients, expected["gradients"]);
  EXPECT_NEAR(info.gflops, expected["gflops_640"].get<double>(), 1e-4);
  for (const auto& row : expected["rows"]) {
    EXPECT_EQ(info.layers.at(row["index"]).parameters, row["params"]) << row["index"];
  }
  std::string names;
  model.for_each_parameter([&](const std::string& name, nn::Parameter& p) {
    names += name + " " + shape_text(p.file_shape()) + (p.kind == nn::StateKind::kCounter ? " int64\n" : " float32\n");
  });
  EXPECT_EQ(std::count(names.begin(), names.end(), '\n'), expected["state_keys"].get<long>());
  const auto listing = test::shared("golden/model/state_names/" + std::string(GetParam()) + ".txt");
  if (std::filesystem::exists(listing)) {
    std::ifstream in(listing);
    EXPECT_EQ(names, std::string(std::istreambuf_iterator<char>(in), {}));
  }
}

INSTANTIATE_TEST_SUITE_P(Models, Architecture,
                         testing::Values("yolo11n", "yolo11s", "yolo11m", "yolo11l", "yolo11x", "yolov8n", "yolov8s",
                                         "yolov8m", "yolov8l", "yolov8x"),
                         [](const auto& param) { return std::string(param.param); });

}  // namespace
}  // namespace boxcar
