// Who computes a convolution on a GPU: a plan of a vendor's library, or our own kernel. Chosen once a shape.
//
// An engine (cuDNN, matrix products of cuBLASLt) offers plans. The choice is the fastest of the first few and our own
// kernel, all timed, or without timing the first plan offered: timing may choose differently the next time, and then
// the bits differ. Choices can be written down and used again. Nothing here knows a library.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "boxcar/kernels/conv/conv.h"
#include "boxcar/runtime/base/log.h"

namespace boxcar::kernels {

enum class ConvPass { kForward, kBackwardInput, kBackwardWeight };

/// What a choice is made for. Tensors are packed, weights have the type of the activations.
struct ConvProblem {
  ConvPass pass = ConvPass::kForward;
  Shape x, y;  // of the input's side and the output's side, in each pass
  ConvOptions options{};
  DType type = DType::kF32;    // of what is read: f32 or bf16
  DType result = DType::kF32;  // of what is written: as `type`, or f32
  bool bias = false;           // forward: [O] in f32, added
  ActKind act = ActKind::kIdentity;
  bool statistics = false;  // forward: a pass over y follows a plan, which our own kernel saves

  /// "forward 16x80x80x64->64 k3 s1 p1 d1 g1 bf16>bf16": the same for the same problem.
  std::string text() const;
};

/// On the device, at multiples of 16 bytes. What the pass computes is overwritten.
struct ConvOperands {
  void *x = nullptr, *w = nullptr, *y = nullptr;
  const float* bias = nullptr;
};

/// A way to compute one problem: the same bits each time.
class ConvPlan {
 public:
  virtual ~ConvPlan() = default;
  virtual std::size_t workspace_bytes() const = 0;
  /// Queues it. Throws DeviceError if the library refuses.
  virtual void run(Stream& stream, const ConvOperands& operands, void* workspace) = 0;
};

/// A plan, or why the library's plan of this name is not used.
struct ConvOffer {
  std::string name;  // engine and settings: ConvEngine::restore() takes it
  std::shared_ptr<ConvPlan> plan{};
  std::string refusal{};
};

/// What is asked of an engine.
struct ConvWishes {
  int most = 1;           // plans; refused ones are not counted
  bool thorough = false;  // also what the library takes to be slow, and what it has to compile first (seconds)
};

class ConvEngine {
 public:
  virtual ~ConvEngine() = default;
  /// "cuDNN 9.19.0".
  virtual std::string library() const = 0;
  /// The plan expected to be fastest first. Throws DeviceError if the library cannot be used at all.
  virtual std::vector<ConvOffer> offers(const ConvProblem& problem, const ConvWishes& wishes) = 0;
  /// The plan of that name; null if the name is none of this engine's, or it does not fit any more.
  virtual std::shared_ptr<ConvPlan> restore(const ConvProblem& problem, std::string_view name) = 0;
};

/// The choices of a stream.
class ConvPlans {
 public:
  /// With the engines of this build on a GPU; none on a CPU, where CUDA is emulated, and with BOXCAR_VENDOR=off.
  explicit ConvPlans(Stream& stream);
  /// Waits for the stream: what runs must not lose its plan.
  ~ConvPlans();
  ConvPlans(const ConvPlans&) = delete;
  ConvPlans& operator=(const ConvPlans&) = delete;
  void add_engine(std::unique_ptr<ConvEngine> engine) { engines_.push_back(std::move(engine)); }
  bool has_engines() const { return !engines_.empty(); }
  const std::vector<std::unique_ptr<ConvEngine>>& engines() const { return engines_; }

  /// Whether choices to come are made by timing (false unless told).
  void set_timed(bool timed) { timed_ = timed; }
  /// Where it is said, once a shape, that our own kernel or a slower plan is used and why.
  void set_log(Log log) { log_ = std::move(log); }

  /// How the caller computes the problem. A trial is repeated and timed: it must leave nothing behind but what the
  /// real run overwrites.
  struct Ways {
    std::function<void(bool trial)> own;
    std::function<void(ConvPlan& plan, bool trial)> vendor;
    bool prefer_own = false;  // without timing, our own kernel
  };
  /// Chooses at first sight, but not while the stream is captured: what is unknown then takes our own kernel, and is
  /// said. A plan that fails is dropped, and the next one or our own kernel runs. Convolutions with an activation
  /// (inference) have plans that are compiled first: only with timing, and when they come the third time.
  void run(const ConvProblem& problem, const Ways& ways);

  /// Name of the plan that a problem has, "own" for our own kernel, empty before there is a choice.
  std::string choice(const ConvProblem& problem) const;
  /// How many choices were made.
  int choices() const;
  /// What came so far, where there are engines; in alphabetical order of the texts.
  std::vector<ConvProblem> problems() const;

  /// All choices with the libraries and the card they hold for, one a line.
  std::string to_text() const;
  /// For problems that come from now on. A line of other libraries or another card gives a warning and is tried all
  /// the same. Throws DataError for what is no such text; `name` is that of the file.
  void read_text(std::string_view text, std::string_view name);

  /// Milliseconds of `work`, the best of a few, after a first call that is not counted.
  static double milliseconds(Stream& stream, const std::function<void()>& work);

 private:
  struct Candidate {
    std::string name;
    std::shared_ptr<ConvPlan> plan;
  };
  struct Entry {
    ConvProblem problem{};
    std::vector<Candidate> candidates{};  // best first
    std::size_t chosen = 0;               // behind them: our own kernel. Those that failed stay, as work may be queued

    const Candidate* choice() const { return chosen < candidates.size() ? &candidates[chosen] : nullptr; }
    bool decided = false, said = false;
    int calls = 0;
  };

  bool decide(const ConvProblem& problem, const std::string& key, Entry& entry, const Ways& ways);
  bool restore(const ConvProblem& problem, const std::string& key, Entry& entry);
  std::vector<Candidate> offers(const ConvProblem& problem, const std::string& key, bool thorough);
  void rank(const std::string& key, Entry& entry, const Ways& ways);
  std::string libraries() const;

  Stream& stream_;
  std::vector<std::unique_ptr<ConvEngine>> engines_;
  bool timed_ = false;
  Log log_;
  std::map<std::string, Entry, std::less<>> entries_;
  std::map<std::string, std::string, std::less<>> read_;  // choices of a file, by problem
};

/// The stream's choices, made on first use.
inline ConvPlans& conv_plans(Stream& stream) { return stream.resource<ConvPlans>(); }

/// Engines of this build; null where the library is not there. Throw DeviceError if it cannot be used.
std::unique_ptr<ConvEngine> make_cudnn_engine(Stream& stream);
std::unique_ptr<ConvEngine> make_gemm_engine(Stream& stream);

}  // namespace boxcar::kernels
