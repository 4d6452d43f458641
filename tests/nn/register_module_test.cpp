// Modules of a program's own in model files: what reaches them, and what is refused.
#include "boxcar/nn/model/register_module.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/autograd/ops/ops.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/modules/conv.h"
#include "boxcar/runtime/base/error.h"
#include "nn/model_spec_support.h"

namespace boxcar {
namespace {

using nn::Context, nn::Place, nn::Value;
using test::expect_refused, test::with_row;

/// y = gain * x, with one number a channel.
struct Gain : nn::Layer {
  Value gain;
  Gain(nn::Module* parent, std::string name, const ModuleRow& row)
      : Layer(parent, std::move(name)),
        gain(parameter("gain", {1, 1, 1, row.in_channels()[0]}, float(row.number(0, 1, -10, 10)))) {}
  Value forward(Context&, std::span<const Value> x, std::span<const Place>) override { return x[0] * gain; }
};

/// A convolution of stride 2 of the sum of its inputs.
struct Merge : nn::Layer {
  nn::ConvBnAct conv;
  static ModuleOutput output(const ModuleRow& row) { return {row.channels(0), row.in_sizes()[0] / 2}; }
  Merge(nn::Module* parent, std::string name, const ModuleRow& row)
      : Layer(parent, std::move(name)),
        conv(this, "conv", row.in_channels()[0], row.channels(0),
             {.kernel = 3, .stride = 2, .act = row.truth(1, true) ? row.activation() : nn::kNoAct}) {
    for (const int c : row.in_channels()) {
      if (c != row.in_channels()[0]) row.refuse("adds maps of the same number of channels only");
    }
    if (const std::string mode = row.text(2, "sum"); mode != "sum") row.refuse("knows the mode sum only");
  }
  Value forward(Context& context, std::span<const Value> x, std::span<const Place> places) override {
    Value sum = x[0];
    for (const Value& more : x.subspan(1)) sum = sum + more;
    return conv.forward(context, sum, {}, places);
  }
};

/// Says that it keeps its channels, and gives one.
struct Liar : nn::Layer {
  Liar(nn::Module* parent, std::string name, const ModuleRow&) : Layer(parent, std::move(name)) {}
  Value forward(Context&, std::span<const Value> x, std::span<const Place>) override { return mean(x[0], {3}); }
};

struct Shrinking : Liar {
  using Liar::Liar;
  Value forward(Context& context, std::span<const Value> x, std::span<const Place>) override {
    return max_pool(context, x[0], {2, 2, 0});
  }
};

struct Silent : Liar {
  using Liar::Liar;
  Value forward(Context&, std::span<const Value>, std::span<const Place>) override { return {}; }
};

struct Orphan : nn::Layer {
  Orphan(nn::Module*, std::string, const ModuleRow&) {}
  Value forward(Context&, std::span<const Value> x, std::span<const Place>) override { return x[0]; }
};

struct Endless : Liar {
  using Liar::Liar;
  static ModuleOutput output(const ModuleRow&) { return {1 << 30, 0}; }
};

class RegisterModule : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    register_module<Gain>("Gain", {"gain"});
    register_module<Merge>("Merge", {"channels", "act", "mode"});
    register_module<Liar>("Liar");
    register_module<Shrinking>("own.Shrinking");
    register_module<Silent>("Silent");
    register_module<Orphan>("Orphan");
    register_module<Endless>("Endless");
  }

  static ModelSpec read(const std::string& row, const std::string& keys = "nc: 2") {
    return parse_model_spec(with_row(row, keys), "net.yaml");
  }
  static std::string message(const std::function<void()>& f) {
    try {
      f();
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  }
  static std::string registering(const std::string& name) {
    return message([&] { register_module<Gain>(name); });
  }
};

std::vector<std::string> names_of(nn::Module& module) {
  std::vector<std::string> names;
  module.for_each_parameter([&](const std::string& name, nn::Parameter&) { names.push_back(name); });
  return names;
}

TEST_F(RegisterModule, ARowBecomesTheModule) {
  Stream stream;
  const ModelSpec spec = read("[-1, 1, Gain, [2.5]]");
  EXPECT_EQ(spec.layers[1].module, "Gain");
  EXPECT_EQ(spec.layers[1].out_channels, 16);
  EXPECT_EQ(spec.layers[1].size_at_256, 128);
  DetectionModel model(spec);
  EXPECT_TRUE(std::ranges::count(names_of(model), "model.1.gain"));
  model.prepare(stream);
  const nn::ParamArena arena(model, stream, 1);
  Context context(stream, nn::Pass::kEvaluate);
  std::vector<float> before, gained;
  model.set_trace([&](int layer, const Value& v) {
    if (layer == 0) before = v.to_host();
    if (layer == 1) gained = v.to_host();
  });
  model.forward(context, Value(context, Tensor::from(stream, {1, 32, 32, 3}, std::vector<float>(32 * 32 * 3, 0.5f))));
  ASSERT_EQ(before.size(), gained.size());
  for (std::size_t i = 0; i < before.size(); ++i) ASSERT_EQ(gained[i], 2.5f * before[i]);
}

TEST_F(RegisterModule, ItsNormalisedFileReadsAgain) {
  const ModelSpec spec = read("[[-1, 0], 1, Merge, [32, False]]", "nc: 2\nwidth_multiple: 0.5");
  EXPECT_EQ(spec.layers[1].out_channels, 16);  // scaled as of any module
  EXPECT_EQ(spec.layers[1].in_channels, (std::vector<int>{8, 8}));
  EXPECT_EQ(spec.layers[1].size_at_256, 64);
  EXPECT_EQ(spec.head().strides, std::vector<int>{8});
  const ModelSpec again = parse_model_spec(spec.yaml, "again.yaml");
  EXPECT_EQ(again.yaml, spec.yaml);
  EXPECT_EQ(again.layers[1].out_channels, 16);
}

TEST_F(RegisterModule, RepeatsMakeASequence) {
  DetectionModel three(read("[-1, 3, Gain, []]")), two(read("[-1, 2, Merge, [16]]"));
  const auto names = names_of(three);
  EXPECT_TRUE(std::ranges::count(names, "model.1.2.gain"));
  EXPECT_EQ(two.spec().layers[1].size_at_256, 32);
  Stream stream;
  two.prepare(stream);
  EXPECT_EQ(two.strides(), std::vector<int>{16});
  expect_refused(with_row("[-1, 2, Merge, [32]]"), "repeats Merge 2 times, but it turns 16 channels into 32");
  expect_refused(with_row("[[-1, 0], 2, Merge, [16]]"), "Merge cannot be repeated");
}

TEST_F(RegisterModule, ComplaintsNameTheRow) {
  expect_refused(with_row("[-1, 1, Gain, [11]]"),
                 "net.yaml:4: row 1 [-1, 1, Gain, [11]]: Gain argument 1 (gain) is 11, "
                 "but must be a number from -10 to 10");
  expect_refused(with_row("[-1, 1, Gain, [1, 2]]"), "takes at most 1 arguments (gain), but got 2");
  expect_refused(with_row("[-1, 1, Liar, [1]]"), "takes no arguments, but got 1");
  expect_refused(with_row("[-1, 1, Merge, []]"), "needs at least one argument, its number of output channels");
  expect_refused(with_row("[-1, 1, Merge, [16, True, 3]]"), "argument 3 (mode) is 3, but must be a text");
  expect_refused(with_row("[-1, 1, Merge, [16, True, max]]"), "Merge knows the mode sum only");
  expect_refused(
      "nc: 2\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [32, 3, 1]]\n"
      "head:\n  - [[0, 1], 1, Merge, [16]]\n  - [[2], 1, Detect, [nc]]\n",
      "row 2 [[0, 1], 1, Merge, [16]]: Merge adds maps of the same number of channels only");
  expect_refused(with_row("[-1, 1, Endless, []]"), "says that it gives 1073741824 channels and a map of 0 x 0");
  expect_refused(with_row("[-1, 1, Gian, []]"), "the module 'Gian' is not known; did you mean Gain?");
}

TEST_F(RegisterModule, WrongClassesAreFoundOut) {
  Stream stream;
  DetectionModel liar(read("[-1, 1, Liar, []]"));
  EXPECT_NE(message([&] { liar.prepare(stream); }).find("gives 16 channels and a map of 128 x 128"), std::string::npos);
  DetectionModel shrinking(read("[-1, 1, own.Shrinking, []]"));
  EXPECT_NE(message([&] { shrinking.prepare(stream); }).find("correct its output()"), std::string::npos);
  DetectionModel silent(read("[-1, 1, Silent, []]"));
  EXPECT_NE(message([&] { silent.prepare(stream); }).find("forward() gave an empty value"), std::string::npos);
  EXPECT_EQ(message([] { read("[-1, 1, Orphan, []]"); }),
            "the constructor of the module Orphan must hand its parent and name on to nn::Layer");
}

TEST_F(RegisterModule, NamesAreTakenOnce) {
  EXPECT_EQ(registering("Gain"), "register_module: Gain is registered already; choose another name");
  EXPECT_EQ(registering("Conv"), "register_module: Conv is a module of boxcar; choose another name");
  EXPECT_EQ(registering("nn.Upsample"), "register_module: nn.Upsample is a module of boxcar; choose another name");
  for (const std::string name : {"", "3D", "a b", "a-b", "[x]", "x\n"}) {
    EXPECT_NE(registering(name).find("is no name for a module"), std::string::npos) << name;
  }
  EXPECT_NE(registering(std::string(61, 'x')).find("is no name for a module"), std::string::npos);
}

TEST_F(RegisterModule, ThreadsMayRegisterAndReadAtOnce) {
  std::vector<std::jthread> threads;
  std::atomic<int> taken = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        const std::string own = "T" + std::to_string(t) + "_" + std::to_string(i);
        register_module<Gain>(own, {"gain"});
        read("[-1, 1, " + own + ", [2]]");
        if (registering("Shared" + std::to_string(i)).empty()) ++taken;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(taken, 50);
}

}  // namespace
}  // namespace boxcar
