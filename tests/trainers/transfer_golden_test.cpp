// Weights loaded into another network, against the reference, tensor by tensor.
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <nlohmann/json.hpp>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"
#include "boxcar/trainers/checkpoint/weights.h"
#include "support/golden.h"

namespace boxcar {
namespace {

using Json = nlohmann::json;
using State = std::map<std::string, HostTensor>;

struct Side {
  int nc = 3;
  std::vector<std::string> names{};  // empty: placeholders
  std::string scale = "t";
  int channels = 3;

  ModelSpec spec() const {
    return load_model_spec(test::shared("golden/model/models/tiny11.yaml").string(),
                           {.nc = nc, .channels = channels, .names = names, .scale = scale});
  }
};

struct Pair {
  Side source, target;
};

// Networks of each case of the golden file, from its name and note.
const std::map<std::string, Pair>& cases() {
  static const std::map<std::string, Pair> kCases{
      {"same nc", {{.names = {"a", "b", "c"}}, {}}},
      {"nc 80 -> 3, class branch of another width", {{.nc = 80}, {}}},
      {"nc 5 -> 3, class branch of the same width", {{.nc = 5}, {}}},
      {"names remapped, other count",
       {{.nc = 5, .names = {"CAT", "cow", "dog ", "fox", "hen"}}, {.names = {"Dog", " cat ", "bird"}}}},
      {"names remapped, same count", {{.names = {"a", "b", "c"}}, {.names = {"b", "c", "a"}}}},
      {"another scale", {{.scale = "m"}, {}}},
      {"one input channel", {{}, {.channels = 1}}},
      {"four input channels", {{}, {.channels = 4}}},
  };
  return kCases;
}

// Loading folded weights is refused here (README of the golden numbers; the reference only warns).
constexpr const char* kRefused = "fused source";

std::string first_words(const Json& c, const char* start) {
  for (const auto& message : c["messages"]) {
    if (message.get<std::string>().starts_with(start)) return message.get<std::string>();
  }
  return "";
}

class TransferGolden : public testing::Test {
 protected:
  // Random numbers in every tensor, so that none is equal by chance.
  Weights random_weights(const Side& side) {
    DetectionModel model(side.spec());
    model.prepare(stream_);
    nn::ParamArena arena(model, stream_, 2);
    NamedTensors tensors = nn::state_dict(arena, arena.values());
    Random random(3, 0);
    for (auto& [name, tensor] : tensors) {
      if (name.find(".dfl.") != std::string::npos) continue;
      if (tensor.dtype == DType::kI64) *tensor.as<std::int64_t>() = 7;
      if (tensor.dtype != DType::kF32) continue;
      for (std::int64_t i = 0; i < tensor.count(); ++i)
        tensor.as<float>()[i] = static_cast<float>(random.uniform(1, 2));
    }
    return {std::move(tensors), model.spec().yaml, model.spec().names};
  }

  State state_of(DetectionModel& model) {
    model.prepare(stream_);
    nn::ParamArena arena(model, stream_, 1);
    State state;
    for (auto& [name, tensor] : nn::state_dict(arena, arena.values())) state.emplace(name, std::move(tensor));
    return state;
  }

  Stream stream_;
};

std::vector<float> row_of(const HostTensor& t, std::int64_t row) {
  const std::int64_t size = t.count() / t.shape[0];
  return {t.as<float>() + row * size, t.as<float>() + (row + 1) * size};
}

void expect_rows(const HostTensor& after, const HostTensor& source, const HostTensor& initial,
                 const std::vector<int>& rows, const std::string& name) {
  ASSERT_EQ(rows.size(), static_cast<std::size_t>(after.shape[0])) << name;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i);
    EXPECT_EQ(row_of(after, row), rows[i] < 0 ? row_of(initial, row) : row_of(source, rows[i])) << name << " row " << i;
  }
}

// Leading planes of each filter, or the sum of all of them in one.
void expect_planes(const HostTensor& after, const HostTensor& source, const HostTensor& initial) {
  const std::int64_t plane = 9, have = source.shape[1], want = after.shape[1];
  for (std::int64_t i = 0; i < after.count(); ++i) {
    const std::int64_t filter = i / (plane * want), channel = i / plane % want, k = i % plane;
    const float* planes = source.as<float>() + filter * have * plane + k;
    const float expected = want == 1        ? planes[0] + planes[plane] + planes[2 * plane]
                           : channel < have ? planes[channel * plane]
                                            : initial.as<float>()[i];
    EXPECT_EQ(after.as<float>()[i], expected) << i;
  }
}

TEST_F(TransferGolden, EveryCaseIsTheReferences) {
  BOXCAR_NEED_SHARED();
  const Json golden = test::read_json(test::shared("golden/model/transfer.json"))["cases"];
  std::size_t done = 0;
  for (const Json& c : golden) {
    const std::string name = c["case"];
    SCOPED_TRACE(name);
    if (name == kRefused) continue;
    ASSERT_TRUE(cases().contains(name)) << "a case that this test does not know";
    const Pair& pair = cases().at(name);
    ++done;

    const Weights weights = random_weights(pair.source);
    DetectionModel model(pair.target.spec()), untouched(pair.target.spec());
    const Transfer transfer = weights.load_into(model);
    fit_class_branches(untouched, weights.tensors());
    const State after = state_of(model), initial = state_of(untouched);
    const State source(weights.tensors().begin(), weights.tensors().end());

    std::size_t copied = 0;
    std::vector<std::string> kept;
    for (const auto& [tensor_name, tensor] : after) {
      if (source.contains(tensor_name) && source.at(tensor_name) == tensor) {
        ++copied;
      } else if (!c["other"].contains(tensor_name)) {
        EXPECT_EQ(tensor, initial.at(tensor_name)) << tensor_name;
        kept.push_back(tensor_name);
      }
    }
    EXPECT_EQ(after.size(), c["items"].get<std::size_t>());
    EXPECT_EQ(copied, c["copied"].get<std::size_t>());
    auto expected = c["kept_initial"].get<std::vector<std::string>>();
    std::ranges::sort(expected);
    EXPECT_EQ(kept, expected);

    for (const auto& [tensor_name, other] : c["other"].items()) {
      EXPECT_EQ(after.at(tensor_name).shape, other["shape"].get<std::vector<std::int64_t>>()) << tensor_name;
      EXPECT_EQ(source.at(tensor_name).shape, other["source_shape"].get<std::vector<std::int64_t>>()) << tensor_name;
      if (other.contains("source_row_of_each_row")) {
        expect_rows(after.at(tensor_name), source.at(tensor_name), initial.at(tensor_name),
                    other["source_row_of_each_row"].get<std::vector<int>>(), tensor_name);
      } else {
        expect_planes(after.at(tensor_name), source.at(tensor_name), initial.at(tensor_name));
      }
    }
    EXPECT_EQ(first_words(c, "Transferred"),
              fmt::format("Transferred {}/{} items from pretrained weights", transfer.taken.size(), transfer.tensors));
    const std::string remapped = first_words(c, "Remapped");
    ASSERT_TRUE(transfer.head);
    EXPECT_EQ(transfer.head->by_name, !remapped.empty());
    if (!remapped.empty()) {
      EXPECT_TRUE(remapped.starts_with(fmt::format("Remapped {}/{} ", transfer.head->carried, transfer.head->classes)));
    }
    for (const auto& [number, class_name] : c["names_after"].items()) {
      EXPECT_EQ(model.spec().names.at(std::stoul(number)), class_name.get<std::string>());
    }
  }
  EXPECT_EQ(done, cases().size());
}

TEST_F(TransferGolden, FoldedWeightsAreRefused) {
  BOXCAR_NEED_SHARED();
  const Weights whole = random_weights({});
  NamedTensors folded;
  for (const auto& [name, tensor] : whole.tensors()) {
    if (name.find(".bn.") == std::string::npos) folded.emplace_back(name, tensor);
  }
  folded.emplace_back("model.0.conv.bias", HostTensor{DType::kF32, {8}, std::vector<std::byte>(32)});
  DetectionModel model(Side{}.spec());
  EXPECT_THROW(Weights(folded, "", {}).load_into(model), ModelError);
}

// A network fine-tuned from 80 classes is wider than its description says; its file is enough to build it.
TEST_F(TransferGolden, ARebuiltNetworkComesBackFromItsFile) {
  BOXCAR_NEED_SHARED();
  DetectionModel tuned(Side{}.spec());
  random_weights({.nc = 80}).load_into(tuned);
  const State state = state_of(tuned);
  EXPECT_EQ(state.at("model.23.cv3.0.2.weight").shape, (std::vector<std::int64_t>{3, 80, 1, 1}));
  const Weights file({state.begin(), state.end()}, tuned.spec().yaml, {"a", "b", "c"}, "tuned.pt");

  EXPECT_EQ(file.spec().head().class_width, 80);
  DetectionModel from_file(file.spec()), from_yaml(Side{}.spec());
  file.load_all_into(from_file);
  file.load_all_into(from_yaml);
  EXPECT_EQ(state_of(from_file), state);
  EXPECT_EQ(state_of(from_yaml), state);
}

}  // namespace
}  // namespace boxcar
