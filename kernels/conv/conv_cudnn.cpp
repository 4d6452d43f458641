#include "boxcar/kernels/conv/conv_cudnn.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>

#include "boxcar/kernels/conv/conv_cudnn_graph.h"
#include "boxcar/kernels/vendor/cudnn_descriptor.h"
#include "boxcar/kernels/vendor/versions.h"
#include "boxcar/runtime/device/backend.h"

namespace boxcar::kernels {
namespace {

constexpr std::int64_t kMostWorkspace = std::int64_t{256} << 20;
constexpr int kMostCompiled = 2;  // plans of a problem; each takes up to three seconds
constexpr std::string_view kPrefix = "cudnn ";

// The card that plans are made for: that of a handle, or a described one.
struct Card {
  cudnnHandle_t handle = nullptr;
  const CudnnDescriptor* description = nullptr;

  CudnnDescriptor graph(const ConvProblem& problem) const {
    CudnnDescriptor graph = cudnn_graph_of(problem);
    if (handle) graph.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, handle);
    graph.finalize();
    return graph;
  }
  void describe(CudnnDescriptor& to, cudnnBackendAttributeName_t name) const {
    if (description) to.set(name, *description);
  }
};

// What an engine says of its arithmetic that training cannot have. Plain f32 is no tensor cores' (TF32), and no Fourier
// or Winograd transform's, whose error grows with the tile.
const char* refusal_of(const CudnnDescriptor& engine, const ConvProblem& problem) {
  for (const auto note :
       engine.values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_NUMERICAL_NOTE_TYPE_COUNT)) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        return "not deterministic";
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        return "sums below f32";
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        return "rounds its inputs";
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        if (problem.type == DType::kF32) return "TF32";
        break;
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return "a transform with a larger error";
      default:
        break;
    }
  }
  for (const auto note :
       engine.values<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT)) {
    if (note == CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER ||
        note == CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER) {
      return "wants tensors in an order of its own";
    }
  }
  return nullptr;
}

bool has_to_be_compiled(const CudnnDescriptor& engine) {
  const auto notes =
      engine.values<cudnnBackendBehaviorNote_t>(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT);
  return std::ranges::count(notes, CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION) > 0;
}

CudnnDescriptor engine_of(const CudnnDescriptor& configuration) {
  std::vector<CudnnDescriptor> engines =
      configuration.descriptors(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR, 1);
  if (engines.empty()) fail<DeviceError>("cuDNN gave a configuration without an engine");
  return std::move(engines.front());
}

// "cudnn 62 2=5 13=1": the engine's number, then its settings (knobs) by number.
std::string name_of(const CudnnDescriptor& configuration, const CudnnDescriptor& engine) {
  std::string name = fmt::format("{}{}", kPrefix, engine.value<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX));
  for (const CudnnDescriptor& knob : configuration.descriptors(
           CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_KNOB_TYPE_COUNTS)) {
    name +=
        fmt::format(" {}={}", static_cast<int>(knob.value<cudnnBackendKnobType_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE)),
                    knob.value<std::int64_t>(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE));
  }
  return name;
}

std::vector<CudnnDescriptor> configurations(const CudnnDescriptor& graph, const Card& card,
                                            cudnnBackendHeurMode_t mode) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  card.describe(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP);
  heuristics.finalize();
  return heuristics.descriptors(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
                                heuristics.count(CUDNN_ATTR_ENGINEHEUR_RESULTS));
}

CudnnDescriptor execution_plan(const CudnnDescriptor& configuration, const Card& card) {
  CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  if (card.handle) plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, card.handle);
  card.describe(plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration).finalize();
  return plan;
}

// ---- plans

class CudnnHandle {
 public:
  explicit CudnnHandle(Stream& stream) {
    void* const queue = stream.backend().handle();  // and its card becomes the thread's
    BOXCAR_CHECK_CUDNN(cudnnCreate(&handle_));
    const cudnnStatus_t status = cudnnSetStream(handle_, static_cast<cudaStream_t>(queue));
    if (status != CUDNN_STATUS_SUCCESS) cudnnDestroy(handle_);
    BOXCAR_CHECK_CUDNN(status);
  }
  ~CudnnHandle() { cudnnDestroy(handle_); }
  CudnnHandle(const CudnnHandle&) = delete;
  CudnnHandle& operator=(const CudnnHandle&) = delete;
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

class CudnnPlan final : public ConvPlan {
 public:
  CudnnPlan(std::shared_ptr<const CudnnHandle> handle, const ConvProblem& problem, CudnnDescriptor graph,
            CudnnDescriptor plan)
      : handle_(std::move(handle)),
        bias_(problem.bias),
        graph_(std::move(graph)),
        plan_(std::move(plan)),
        workspace_(plan_.value<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE)) {}

  std::size_t workspace_bytes() const override { return static_cast<std::size_t>(workspace_); }

  void run(Stream& stream, const ConvOperands& o, void* workspace) override {
    if (!handle_) fail<DeviceError>("a plan for a card that is not there cannot run");
    StreamBackend& backend = stream.backend();
    backend.handle();
    const std::array<std::int64_t, 4> ids{CudnnTensors::kX, CudnnTensors::kW, CudnnTensors::kY, CudnnTensors::kBias};
    const std::array<void*, 4> data{o.x, o.w, o.y, const_cast<float*>(o.bias)};
    const std::size_t count = bias_ ? 4 : 3;
    CudnnDescriptor tensors(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    tensors.set_all(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span(ids).first(count))
        .set_pointers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, std::span(data).first(count))
        .set_pointers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span(&workspace, 1))
        .finalize();
    BOXCAR_CHECK_CUDNN(cudnnBackendExecute(handle_->get(), plan_.get(), tensors.get()));
    backend.launched("cudnn_convolution");
  }

 private:
  std::shared_ptr<const CudnnHandle> handle_;
  bool bias_;
  CudnnDescriptor graph_, plan_;
  std::int64_t workspace_;
};

// The configuration as an offer, with a plan if it may be used. `compile`: how many may still be compiled.
ConvOffer offer_of(const ConvProblem& problem, const CudnnDescriptor& configuration, const Card& card,
                   const std::shared_ptr<const CudnnHandle>& handle, int& compile) {
  ConvOffer offer;
  try {
    const CudnnDescriptor engine = engine_of(configuration);
    offer.name = name_of(configuration, engine);
    if (const char* refusal = refusal_of(engine, problem)) {
      offer.refusal = refusal;
      return offer;
    }
    if (has_to_be_compiled(engine) && --compile < 0) {
      offer.refusal = "has to be compiled first";
      return offer;
    }
    auto plan = std::make_shared<CudnnPlan>(handle, problem, card.graph(problem), execution_plan(configuration, card));
    if (static_cast<std::int64_t>(plan->workspace_bytes()) > kMostWorkspace) {
      offer.refusal = fmt::format("wants {} MiB", plan->workspace_bytes() >> 20);
      return offer;
    }
    offer.plan = std::move(plan);
  } catch (const DeviceError& error) {
    offer.refusal = error.what();
  }
  return offer;
}

std::vector<ConvOffer> offers_for(const ConvProblem& problem, const ConvWishes& wishes, const Card& card,
                                  const std::shared_ptr<const CudnnHandle>& handle) {
  const CudnnDescriptor graph = card.graph(problem);
  std::vector<cudnnBackendHeurMode_t> modes{CUDNN_HEUR_MODE_A};
  if (wishes.thorough) modes.push_back(CUDNN_HEUR_MODE_FALLBACK);
  std::vector<ConvOffer> offers;
  std::set<std::string> seen;  // the modes overlap
  int plans = 0, compile = wishes.thorough ? kMostCompiled : 0;
  for (const cudnnBackendHeurMode_t mode : modes) {
    for (const CudnnDescriptor& configuration : configurations(graph, card, mode)) {
      if (plans == wishes.most) return offers;
      ConvOffer offer = offer_of(problem, configuration, card, handle, compile);
      if (!seen.insert(offer.name).second) continue;
      plans += offer.plan != nullptr;
      offers.push_back(std::move(offer));
    }
  }
  if (offers.empty()) offers.push_back({.name = "cudnn", .refusal = "no engine computes this"});
  return offers;
}

// An engine's number and its settings by number, as in a plan's name: "cudnn 62 2=5 13=1". Empty for other texts.
std::vector<std::int64_t> numbers_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return {};
  std::vector<std::int64_t> numbers;
  for (const char *at = name.data() + kPrefix.size(), *end = name.data() + name.size(); at < end; ++at) {
    const auto read = std::from_chars(at, end, numbers.emplace_back());
    const char wanted = numbers.size() % 2 == 0 ? '=' : ' ';
    if (read.ec != std::errc() || (read.ptr != end && *read.ptr != wanted)) return {};
    at = read.ptr;
  }
  return numbers.size() % 2 == 1 ? numbers : std::vector<std::int64_t>();
}

CudnnDescriptor configuration_of(const CudnnDescriptor& graph, const Card& card,
                                 const std::vector<std::int64_t>& numbers) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  engine.set(CUDNN_ATTR_ENGINE_OPERATION_GRAPH, graph).set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, numbers.front());
  card.describe(engine, CUDNN_ATTR_ENGINE_DEVICEPROP);
  engine.finalize();
  std::vector<CudnnDescriptor> knobs;
  for (std::size_t i = 1; i + 1 < numbers.size(); i += 2) {
    knobs.emplace_back(CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR)
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, static_cast<cudnnBackendKnobType_t>(numbers[i]))
        .set(CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, numbers[i + 1])
        .finalize();
  }
  CudnnDescriptor configuration(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  configuration.set(CUDNN_ATTR_ENGINECFG_ENGINE, engine);
  if (!knobs.empty()) configuration.set_all(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, knobs);
  configuration.finalize();
  return configuration;
}

class CudnnEngine final : public ConvEngine {
 public:
  explicit CudnnEngine(Stream& stream) : stream_(&stream) {}
  explicit CudnnEngine(CudnnDescriptor card) : description_(std::move(card)) {}
  std::string library() const override { return "cuDNN " + cudnn_version(); }

  std::vector<ConvOffer> offers(const ConvProblem& problem, const ConvWishes& wishes) override {
    return offers_for(problem, wishes, card(), handle_);
  }

  std::shared_ptr<ConvPlan> restore(const ConvProblem& problem, std::string_view name) override {
    const std::vector<std::int64_t> numbers = numbers_of(name);
    if (numbers.empty()) return nullptr;
    CudnnDescriptor graph = card().graph(problem);
    const CudnnDescriptor configuration = configuration_of(graph, card(), numbers);
    if (refusal_of(engine_of(configuration), problem)) return nullptr;
    return std::make_shared<CudnnPlan>(handle_, problem, std::move(graph), execution_plan(configuration, card()));
  }

 private:
  // The handle is made at the first convolution, which no recording is: the library allocates.
  Card card() {
    if (description_) return {nullptr, &*description_};
    if (!handle_) handle_ = std::make_shared<CudnnHandle>(*stream_);
    return {handle_->get(), nullptr};
  }

  Stream* stream_ = nullptr;
  std::optional<CudnnDescriptor> description_;
  std::shared_ptr<const CudnnHandle> handle_;
};

}  // namespace

std::string cudnn_version() {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::unique_ptr<ConvEngine> make_cudnn_engine(Stream& stream) { return std::make_unique<CudnnEngine>(stream); }

std::unique_ptr<ConvEngine> make_cudnn_engine(std::string_view card) {
  CudnnDescriptor description(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  description.set_all(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, std::span(card.data(), card.size())).finalize();
  return std::make_unique<CudnnEngine>(std::move(description));
}

}  // namespace boxcar::kernels
