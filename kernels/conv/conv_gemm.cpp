#include "boxcar/kernels/conv/conv_gemm.h"

#include <algorithm>
#include <limits>

namespace boxcar::kernels {
namespace {

constexpr int kMostAlgorithms = 3, kAlignment = 16;

const char* refusal_of(const ConvProblem& p) {
  const ConvOptions& o = p.options;
  if (o.kernel != 1 || o.stride != 1 || o.padding != 0 || o.groups != 1) return "not 1x1 of stride 1";
  if (p.x.pixels() > std::numeric_limits<int>::max()) return "too many pixels";
  if (p.act != ActKind::kIdentity) return "no such activation";
  if (p.bias && p.result != DType::kF32) return "the bias is f32 and the result is not";
  return nullptr;
}

MatmulShape shape_of(const ConvProblem& p) {
  const int pixels = static_cast<int>(p.x.pixels()), in = p.x.c, out = p.y.c;
  MatmulShape s{.inputs = p.type, .result = p.result};
  switch (p.pass) {
    case ConvPass::kForward:
      s.transpose_b = true;
      s.m = pixels, s.n = out, s.k = in;
      s.lda = in, s.ldb = in, s.ldd = out;
      break;
    case ConvPass::kBackwardInput:
      s.m = pixels, s.n = in, s.k = out;
      s.lda = out, s.ldb = in, s.ldd = in;
      break;
    case ConvPass::kBackwardWeight:
      s.transpose_a = true;
      s.m = out, s.n = in, s.k = pixels;
      s.lda = out, s.ldb = in, s.ldd = in;
      break;
  }
  s.alignment_a = s.alignment_b = s.alignment_d = kAlignment;
  s.bias = p.bias;
  return s;
}

class GemmPlan final : public ConvPlan {
 public:
  GemmPlan(ConvPass pass, std::shared_ptr<MatmulAlgorithm> algorithm) : pass_(pass), algorithm_(std::move(algorithm)) {}
  std::size_t workspace_bytes() const override { return algorithm_->workspace_bytes(); }
  void run(Stream& stream, const ConvOperands& o, void* workspace) override {
    switch (pass_) {
      case ConvPass::kForward:
        return algorithm_->run(stream, {o.x, o.w, o.y, o.bias}, workspace);
      case ConvPass::kBackwardInput:
        return algorithm_->run(stream, {o.y, o.w, o.x}, workspace);
      case ConvPass::kBackwardWeight:
        return algorithm_->run(stream, {o.y, o.x, o.w}, workspace);
    }
  }

 private:
  ConvPass pass_;
  std::shared_ptr<MatmulAlgorithm> algorithm_;
};

class GemmEngine final : public ConvEngine {
 public:
  explicit GemmEngine(std::shared_ptr<MatmulLibrary> library) : library_(std::move(library)) {}
  std::string library() const override { return library_->version(); }
  std::vector<ConvOffer> offers(const ConvProblem& problem, const ConvWishes& wishes) override {
    if (const char* refusal = refusal_of(problem)) return {{.name = "matrix product", .refusal = refusal}};
    std::vector<ConvOffer> offers;
    for (auto& algorithm : library_->algorithms(shape_of(problem), std::min(wishes.most, kMostAlgorithms))) {
      offers.push_back({algorithm->name(), std::make_shared<GemmPlan>(problem.pass, algorithm)});
    }
    if (offers.empty()) offers.push_back({.name = "matrix product", .refusal = "the library has no algorithm"});
    return offers;
  }
  std::shared_ptr<ConvPlan> restore(const ConvProblem& problem, std::string_view name) override {
    if (refusal_of(problem)) return nullptr;
    std::shared_ptr<MatmulAlgorithm> algorithm = library_->restore(shape_of(problem), name);
    return algorithm ? std::make_shared<GemmPlan>(problem.pass, std::move(algorithm)) : nullptr;
  }

 private:
  std::shared_ptr<MatmulLibrary> library_;
};

}  // namespace

std::unique_ptr<ConvEngine> make_gemm_engine(std::shared_ptr<MatmulLibrary> library) {
  return std::make_unique<GemmEngine>(std::move(library));
}

std::unique_ptr<ConvEngine> make_gemm_engine(Stream& stream) {
  const std::shared_ptr<MatmulLibrary>& library = stream.resource<StreamMatmulLibrary>().library;
  return library ? make_gemm_engine(library) : nullptr;
}

}  // namespace boxcar::kernels
