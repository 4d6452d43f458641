// Rows that a network need not run: enlarged maps and concats whose reader takes the two maps as they are.
#include "boxcar/nn/model/layer_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/profile/profiler.h"
#include "nn/model_spec_support.h"
#include "support/tensors.h"

namespace boxcar {
namespace {

ModelSpec yolo(const char* file) {
  return load_model_spec(std::string(BOXCAR_SOURCE_DIR) + "/cfg/models/" + file, {.scale = "n"});
}

bool always(int, std::span<const int>) { return true; }

using Joins = std::vector<std::array<int, 3>>;
Joins joins_of(const ModelSpec& spec, const TakesParts& takes = always) {
  Joins list;
  for (const Join& join : find_joins(spec, takes)) list.push_back({join.upsample, join.concat, join.reader});
  return list;
}

// A neck: row 4 reads row 3, the concat of row 2, which enlarges row 1, and row 0.
std::string neck(const std::string& reader, const std::string& concat = "[-1, 0]", const std::string& more = "") {
  return "nc: 2\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [-1, 1, Conv, [32, 3, 2]]\n"
         "head:\n  - [-1, 1, nn.Upsample, [None, 2, nearest]]\n  - [" +
         concat + ", 1, Concat, [1]]\n  - " + reader + "\n" + more + "  - [[4], 1, Detect, [nc]]\n";
}
ModelSpec spec(const std::string& text) { return parse_model_spec(text, "net.yaml"); }

TEST(Joins, AreFoundInTheNecksOfTheBuiltInModels) {
  EXPECT_EQ(joins_of(yolo("yolo11.yaml")), (Joins{{11, 12, 13}, {14, 15, 16}}));
  EXPECT_EQ(joins_of(yolo("yolov8.yaml")), (Joins{{10, 11, 12}, {13, 14, 15}}));
}

TEST(Joins, AreOnlyThoseThatTheReaderTakes) {
  const auto only_16 = [](int row, std::span<const int> channels) {
    EXPECT_EQ(channels.size(), 2u);
    return row == 16;
  };
  EXPECT_EQ(joins_of(yolo("yolo11.yaml"), only_16), (Joins{{14, 15, 16}}));
}

TEST(Joins, NeedEachMapToHaveOneReader) {
  const std::string reader = "[-1, 1, Conv, [32, 1, 1]]";
  EXPECT_EQ(joins_of(spec(neck(reader))), (Joins{{2, 3, 4}}));
  EXPECT_EQ(joins_of(spec(neck(reader, "[0, -1]"))), (Joins{{2, 3, 4}}));
  EXPECT_TRUE(joins_of(spec(neck(reader, "[-1, 0, 0]"))).empty());
  EXPECT_TRUE(joins_of(spec(neck(reader, "[-1, -1]"))).empty());
  const std::string reads = ", 1, Conv, [32, 1, 1]]\n";
  EXPECT_TRUE(joins_of(spec(neck(reader, "[-1, 0]", "  - [3" + reads))).empty()) << "the concat is read twice";
  EXPECT_TRUE(joins_of(spec(neck(reader, "[-1, 0]", "  - [2" + reads))).empty()) << "the enlarged map is";
}

TEST(LayerPlan, ReadersOfAJoinReadItsMaps) {
  const ModelSpec network = yolo("yolo11.yaml");
  const LayerPlan plan = plan_layers(network, find_joins(network, always));
  EXPECT_TRUE(plan.rows[11].spared && plan.rows[12].spared && plan.rows[14].spared && plan.rows[15].spared);
  EXPECT_EQ(plan.rows[13].from, (std::vector<int>{10, 6}));
  EXPECT_EQ(plan.rows[16].from, (std::vector<int>{13, 4}));
  EXPECT_TRUE(plan.rows[6].hints.empty()) << "there is no concat to lie in";
  EXPECT_EQ(plan.rows[13].hints.size(), 1u);
  EXPECT_EQ(plan.rows[13].hints[0].concat, 18u);
  EXPECT_EQ(plan.rows[13].last_read, std::vector<int>{6});
  EXPECT_EQ(plan.rows[21].last_read, (std::vector<int>{10, 20}));
}

TEST(LayerPlan, WithoutJoinsIsTheFile) {
  const ModelSpec network = yolo("yolo11.yaml");
  const LayerPlan plan = plan_layers(network, {});
  for (std::size_t i = 0; i < plan.rows.size(); ++i) {
    EXPECT_FALSE(plan.rows[i].spared);
    EXPECT_EQ(plan.rows[i].from, network.layers[i].from);
  }
  EXPECT_EQ(plan.rows[6].hints.size(), 1u);
  EXPECT_TRUE(plan.rows[6].read_packed);
}

class JoinedNetwork : public testing::TestWithParam<const char*> {
 protected:
  // All that a pass makes: outputs, then in training the gradients of the image and of all parameters.
  using Results = std::vector<std::vector<float>>;

  Results run(nn::Pass pass, bool joined) {
    Stream stream;
    DetectionModel model(spec(neck(GetParam())));
    model.prepare(stream);
    const nn::ParamArena arena(model, stream, 3);
    if (pass == nn::Pass::kEvaluate) model.fuse(stream);
    if (!joined) model.set_trace([](int, const nn::Value&) {});
    Profiler profiler;
    stream.set_profiler(&profiler);
    nn::Context context(stream, pass);
    const Shape shape{2, 24, 32, 3};
    const nn::Value image(context, test::tensor_of(stream, shape, test::random_values(shape.count(), 1)), true);
    const Outputs outputs = model.forward(context, image);
    Results results;
    unsigned seed = 2;
    for (const nn::Value& y : outputs) {
      results.push_back(y.to_host());
      const std::vector<float> dy = test::random_values(y.shape().count(), seed++);
      if (context.training()) y.add_grad(stream, test::tensor_of(stream, y.shape(), dy), nn::Own::kExclusive);
    }
    if (context.training()) {
      context.backward();
      results.push_back(image.grad().as_one(stream).to_host(stream));
      for (const auto& entry : arena.entries()) {
        if (entry.parameter->trainable) results.push_back(entry.parameter->grad.to_host(stream));
      }
    }
    EXPECT_EQ(context.copies(), 0);
    stream.set_profiler(nullptr);
    const bool ran =
        std::ranges::any_of(profiler.rows(), [](const auto& row) { return row.name == "upsample_forward"; });
    EXPECT_EQ(ran, !joined);
    return results;
  }

  void expect_alike(nn::Pass pass) {
    const Results joined = run(pass, true), as_written = run(pass, false);
    ASSERT_EQ(joined.size(), as_written.size());
    for (std::size_t i = 0; i < joined.size(); ++i) {
      ASSERT_EQ(joined[i].size(), as_written[i].size());
      float largest = 0;
      for (const float v : as_written[i]) largest = std::max(largest, std::abs(v));
      for (std::size_t j = 0; j < joined[i].size(); ++j) {
        ASSERT_NEAR(joined[i][j], as_written[i][j], 1e-5f * largest) << "result " << i << " element " << j;
      }
    }
  }
};

TEST_P(JoinedNetwork, TrainsAsTheOneThatIsWritten) { expect_alike(nn::Pass::kTrain); }
TEST_P(JoinedNetwork, PredictsAsTheOneThatIsWritten) { expect_alike(nn::Pass::kEvaluate); }

INSTANTIATE_TEST_SUITE_P(Readers, JoinedNetwork,
                         testing::Values("[-1, 1, Conv, [32, 1, 1]]", "[-1, 1, C3k2, [32]]", "[-1, 1, C2f, [32]]",
                                         "[-1, 1, C3, [32]]"),
                         [](const auto& reader) {
                           const std::string row = reader.param;
                           return row.substr(8, row.find(", [") - 8);
                         });

// Eight channels a half do not fill a vector.
TEST(JoinedNetwork, NarrowOnesRunAsWritten) {
  Stream stream;
  DetectionModel model(spec(neck("[-1, 1, C3k2, [16]]")));
  EXPECT_NO_THROW(model.prepare(stream));
}

}  // namespace
}  // namespace boxcar
