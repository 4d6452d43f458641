// Weights into another network, by hand: a head whose class branches read one level of 16 channels.
#include "boxcar/nn/model/transfer.h"

#include <gtest/gtest.h>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using Names = std::vector<std::string>;

struct Net : nn::Module {
  explicit Net(int nc, nn::DetectSettings settings = {}) : head(this, "head", nc, {16}, settings) {}
  nn::Detect head;
};

HostTensor filled(std::vector<std::int64_t> shape, float first) {
  HostTensor tensor{DType::kF32, std::move(shape), {}};
  tensor.bytes.resize(static_cast<std::size_t>(tensor.count()) * sizeof(float));
  for (std::int64_t i = 0; i < tensor.count(); ++i) tensor.as<float>()[i] = first + static_cast<float>(i);
  return tensor;
}

class TransferTest : public testing::Test {
 protected:
  // All tensors of a net of nc classes; the class biases are 100, 101, ...
  NamedTensors weights(int nc, nn::DetectSettings settings = {}) {
    Net net(nc, settings);
    nn::ParamArena arena(net, stream_, 5);
    NamedTensors tensors = nn::state_dict(arena, arena.values());
    for (auto& [name, tensor] : tensors) {
      if (name == "head.cv3.0.2.bias") tensor = filled({nc}, 100);
    }
    return tensors;
  }

  std::vector<float> class_biases(Net& net) {
    const nn::ParamArena arena(net, stream_, 1);
    return biases(arena);
  }
  std::vector<float> biases(const nn::ParamArena& arena) {
    for (const auto& entry : arena.entries()) {
      if (entry.name == "head.cv3.0.2.bias") return entry.parameter->value.to_host(stream_);
    }
    return {};
  }

  Stream stream_;
};

TEST_F(TransferTest, RowsFollowTheirNames) {
  Net net(3);
  const Transfer t =
      transfer(net, weights(2), {.source_names = {"Car", "Bus"}, .target_names = {"bus ", "tram", "car"}}, stream_);
  EXPECT_EQ(t.taken.size(), t.tensors);
  EXPECT_EQ(t.text("w.pt"),
            fmt::format("{0} of {0} tensors from w.pt, class head by name, 2 of 3 rows (2 -> 3)", t.tensors));
  EXPECT_EQ(class_biases(net), (std::vector<float>{101, 0, 100}));
}

TEST_F(TransferTest, WithoutRemappingRowsAreTakenAsTheyLieOrNotAtAll) {
  const TransferOptions off{.source_names = {"a", "b"}, .target_names = {"b", "a"}, .remap_classes = false};
  Net same(2), other(3);
  const Transfer kept = transfer(same, weights(2), off, stream_);
  EXPECT_TRUE(kept.text("w").ends_with("class head kept (2)")) << kept.text("w");
  EXPECT_EQ(class_biases(same), (std::vector<float>{100, 101}));
  const Transfer fresh = transfer(other, weights(2), off, stream_);
  EXPECT_EQ(fresh.taken.size() + 2, fresh.tensors);
  EXPECT_TRUE(fresh.text("w").ends_with("class head new (2 -> 3)")) << fresh.text("w");
  EXPECT_EQ(class_biases(other), (std::vector<float>{0, 0, 0}));
}

TEST_F(TransferTest, NamesWithoutAMatchLeaveTheHeadNew) {
  Net net(2);
  const Transfer t = transfer(net, weights(2), {.source_names = {"a", "b"}, .target_names = {"c", "d"}}, stream_);
  EXPECT_EQ(t.taken.size() + 2, t.tensors);
  EXPECT_TRUE(t.text("w").ends_with("class head new (2)")) << t.text("w");
  EXPECT_EQ(class_biases(net), (std::vector<float>{0, 0}));
}

TEST_F(TransferTest, PlaceholdersMatchNothingByName) {
  EXPECT_TRUE(are_placeholders({}));
  EXPECT_TRUE(are_placeholders({"0", "1"}));
  EXPECT_FALSE(are_placeholders({"0", "2"}));
  Net net(2);
  transfer(net, weights(2), {.source_names = {"1", "0"}, .target_names = {"0", "1"}}, stream_);
  EXPECT_EQ(class_biases(net), (std::vector<float>{100, 101}));
}

TEST_F(TransferTest, AfterValuesHaveTheirPlaceTheOtherRowsStayAsTheyAre) {
  Net net(3);
  const nn::ParamArena arena(net, stream_, 1);
  for (const auto& entry : arena.entries()) {
    if (entry.name == "head.cv3.0.2.bias") std::fill_n(entry.parameter->value.as<float>(), 3, 9.0f);
  }
  transfer(net, weights(2), {.source_names = {"a", "b"}, .target_names = {"b", "c", "a"}}, stream_);
  EXPECT_EQ(biases(arena), (std::vector<float>{101, 9, 100}));
}

TEST_F(TransferTest, ASecondFileAddsToTheRowsOfTheFirst) {
  Net net(3);
  transfer(net, weights(1), {.source_names = {"c"}, .target_names = {"a", "b", "c"}}, stream_);
  transfer(net, weights(2), {.source_names = {"x", "b"}, .target_names = {"a", "b", "c"}}, stream_);
  EXPECT_EQ(class_biases(net), (std::vector<float>{0, 101, 100}));
}

TEST_F(TransferTest, ClassBranchesGetTheWidthOfTheFile) {
  for (const bool legacy : {false, true}) {
    Net net(3, {.legacy = legacy});
    Net plain(3, {.legacy = legacy});
    Names before, after;
    plain.for_each_parameter([&](const std::string& name, nn::Parameter&) { before.push_back(name); });
    net.head.set_strides({8});
    const Transfer t = transfer(net, weights(40, {.legacy = legacy}), {}, stream_);
    EXPECT_EQ(net.head.class_width(), 40);
    EXPECT_EQ(t.taken.size() + 2, t.tensors);
    net.for_each_parameter([&](const std::string& name, nn::Parameter&) { after.push_back(name); });
    EXPECT_EQ(after, before);  // the order of the state dict
    plain.head.set_strides({8});
    EXPECT_EQ(class_biases(net), class_biases(plain));  // initialised for the stride again
  }
}

TEST_F(TransferTest, WidthsThatTheFileDoesNotBearOutAreIgnored) {
  NamedTensors broken = weights(40);
  std::erase_if(broken, [](const auto& t) { return t.first == "head.cv3.0.1.1.conv.weight"; });
  EXPECT_EQ(class_width_of(weights(40), "head", {16}, false), 40);
  EXPECT_EQ(class_width_of(broken, "head", {16}, false), std::nullopt);
  EXPECT_EQ(class_width_of(weights(40), "head", {24}, false), std::nullopt);
  EXPECT_EQ(class_width_of(weights(40), "head", {16}, true), std::nullopt);
  EXPECT_EQ(class_width_of(weights(40), "other", {16}, false), std::nullopt);
  Net placed(3);
  const nn::ParamArena arena(placed, stream_, 1);
  fit_class_branches(placed, weights(40));
  EXPECT_EQ(placed.head.class_width(), 16);
}

TEST_F(TransferTest, IntegersAreNoWeights) {
  NamedTensors wrong = weights(2);
  for (auto& [name, tensor] : wrong) {
    if (name == "head.cv3.0.2.bias") tensor = {DType::kI32, {2}, std::vector<std::byte>(8)};
  }
  Net net(2);
  EXPECT_THROW(transfer(net, wrong, {}, stream_), ModelError);
}

}  // namespace
}  // namespace boxcar
