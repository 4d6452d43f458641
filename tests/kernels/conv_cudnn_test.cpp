// What cuDNN offers for a network's convolutions on an H100, asked without one: the library makes plans for a card that
// is described to it (cuDNN 9.11). Plans that it has to compile are missing, as that needs a driver.
#include "boxcar/kernels/conv/conv_cudnn.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

// What the library writes down of a card; numbers of a data sheet.
constexpr std::string_view kH100 = R"({"deviceVer": 900, "maxGridSize": [2147483647, 65535, 65535],
  "maxBlockSize": [1024, 1024, 64], "regsPerBlock": 65536, "multiProcessorCount": 132, "warpSize": 32,
  "maxSharedMemoryPerBlock": 49152, "maxSharedMemoryPerBlockOptin": 232448, "reservedSharedMemoryPerBlock": 1024,
  "maxRegistersPerSM": 65536, "maxCtasPerSM": 32, "maxThreadsPerBlock": 1024, "maxThreadsPerSM": 2048,
  "pciDeviceId": 0, "isTccDriver": 0, "supportCoopLaunch": 1, "smClockRateKHz": 1980000, "memClockRateKHz": 2619000,
  "l2CacheSize": 52428800, "deviceName": "NVIDIA H100 80GB HBM3", "driverVer": 13000, "totalGlobalMem": 85520809984,
  "cudaDeviceId": 0})";

struct Layer {
  int side, in, out;
  ConvOptions options;
};

// Kinds of dense layers of YOLO11 n and m at 640 pixels.
const std::vector<Layer> kLayers{
    {320, 16, 32, {.kernel = 3, .stride = 2, .padding = 1}},
    {160, 48, 64, {}},
    {80, 64, 64, {.kernel = 3, .padding = 1}},
    {80, 64, 80, {}},
    {40, 128, 128, {.kernel = 3, .stride = 2, .padding = 1}},
    {20, 256, 256, {.kernel = 3, .padding = 1}},
    {20, 512, 512, {}},
};

ConvProblem problem_of(const Layer& layer, ConvPass pass, DType dtype) {
  const Shape x{16, layer.side, layer.side, layer.in};
  return {.pass = pass,
          .x = x,
          .y = conv_output_shape(x, layer.out, layer.options),
          .options = layer.options,
          .type = dtype,
          .result = pass == ConvPass::kBackwardWeight ? DType::kF32 : dtype};
}

class ConvCudnnTest : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      engine_ = make_cudnn_engine(kH100);
    } catch (const DeviceError& error) {
      GTEST_SKIP() << "this cuDNN does not understand the description of a card: " << error.what();
    }
  }
  std::vector<ConvOffer> offers(const ConvProblem& problem, bool thorough) {
    return engine_->offers(problem, {thorough ? 6 : 1, thorough});
  }
  static int plans(const std::vector<ConvOffer>& offers) {
    return static_cast<int>(std::ranges::count_if(offers, [](const ConvOffer& o) { return o.plan != nullptr; }));
  }
  static std::string text(const std::vector<ConvOffer>& offers) {
    std::string text;
    for (const ConvOffer& offer : offers) text += offer.name + (offer.plan ? "" : ": " + offer.refusal) + "\n";
    return text;
  }

  std::unique_ptr<ConvEngine> engine_;
};

TEST_F(ConvCudnnTest, ThereAreReadyPlansForAndBackInBf16) {
  for (const Layer& layer : kLayers) {
    for (const ConvPass pass : {ConvPass::kForward, ConvPass::kBackwardInput}) {
      const ConvProblem problem = problem_of(layer, pass, DType::kBF16);
      EXPECT_EQ(plans(offers(problem, false)), 1) << problem.text();
      EXPECT_EQ(plans(offers(problem, true)), 6) << problem.text();
    }
  }
}

TEST_F(ConvCudnnTest, ThereAreReadyPlansForEachPassInF32) {
  for (const Layer& layer : kLayers) {
    for (const ConvPass pass : {ConvPass::kForward, ConvPass::kBackwardInput, ConvPass::kBackwardWeight}) {
      const ConvProblem problem = problem_of(layer, pass, DType::kF32);
      const std::vector<ConvOffer> found = offers(problem, false);
      EXPECT_EQ(plans(found), 1) << problem.text() << "\n" << text(found);
    }
  }
}

TEST_F(ConvCudnnTest, Tf32AndWhatIsNotDeterministicAreRefused) {
  const ConvProblem problem = problem_of(kLayers[2], ConvPass::kBackwardInput, DType::kF32);
  const std::vector<ConvOffer> found = engine_->offers(problem, {.most = 100, .thorough = true});
  EXPECT_NE(text(found).find(": TF32\n"), std::string::npos) << text(found);
  EXPECT_NE(text(found).find(": not deterministic\n"), std::string::npos) << text(found);
}

TEST_F(ConvCudnnTest, APlanIsHadAgainByItsName) {
  for (const Layer& layer : kLayers) {
    for (const DType dtype : {DType::kBF16, DType::kF32}) {
      const ConvProblem problem = problem_of(layer, ConvPass::kForward, dtype);
      for (const ConvOffer& offer : offers(problem, true)) {
        if (!offer.plan) continue;
        const std::shared_ptr<ConvPlan> again = engine_->restore(problem, offer.name);
        ASSERT_TRUE(again) << problem.text() << ": " << offer.name;
        EXPECT_EQ(again->workspace_bytes(), offer.plan->workspace_bytes()) << offer.name;
      }
    }
  }
}

TEST_F(ConvCudnnTest, OtherNamesAreNone) {
  const ConvProblem problem = problem_of(kLayers[2], ConvPass::kForward, DType::kBF16);
  for (const char* name : {"own", "cublaslt 00", "cudnn", "cudnn ", "cudnn x", "cudnn 62 2", "cudnn 62 2=x",
                           "cudnn 62 2=5 13", "cudnn 62,2=5"}) {
    EXPECT_FALSE(engine_->restore(problem, name)) << name;
  }
  EXPECT_THROW(engine_->restore(problem, "cudnn 9999"), DeviceError);
}

// Odd channels, few channels, groups, dilation: a plan or a refusal, but no exception.
TEST_F(ConvCudnnTest, OddShapesAreAnswered) {
  const std::vector<Layer> odd{{64, 3, 16, {.kernel = 3, .stride = 2, .padding = 1}},
                               {20, 80, 3, {}},
                               {20, 13, 5, {.kernel = 3, .padding = 1}},
                               {7, 32, 32, {.kernel = 3, .padding = 2, .dilation = 2}},
                               {20, 64, 64, {.kernel = 3, .padding = 1, .groups = 4}},
                               {9, 4, 4, {.kernel = 5, .stride = 3, .padding = 2}}};
  for (const Layer& layer : odd) {
    for (const ConvPass pass : {ConvPass::kForward, ConvPass::kBackwardInput, ConvPass::kBackwardWeight}) {
      for (const DType dtype : {DType::kF32, DType::kBF16}) {
        const ConvProblem problem = problem_of(layer, pass, dtype);
        EXPECT_FALSE(offers(problem, true).empty()) << problem.text();
      }
    }
  }
}

TEST_F(ConvCudnnTest, AnotherDescriptionIsRefused) { EXPECT_THROW(make_cudnn_engine("{}"), DeviceError); }

TEST_F(ConvCudnnTest, APlanForACardThatIsNotThereDoesNotRun) {
  Stream stream;
  for (const ConvOffer& offer : offers(problem_of(kLayers[2], ConvPass::kForward, DType::kBF16), false)) {
    if (!offer.plan) continue;
    EXPECT_THROW(offer.plan->run(stream, {}, nullptr), DeviceError);
  }
}

}  // namespace
}  // namespace boxcar::kernels
