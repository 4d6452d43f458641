// cuBLASLt is opened at its first use instead of linked: see cmake/VendorLibraries.cmake.
#include <cublasLt.h>
#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "boxcar/kernels/vendor/matmul.h"
#include "boxcar/kernels/vendor/versions.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"

namespace boxcar::kernels {
namespace {

constexpr std::size_t kMostWorkspace = std::size_t{32} << 20;

void* open_file() {
  const std::string name = fmt::format("libcublasLt.so.{}", CUBLAS_VER_MAJOR);
  for (const char* file : {name.c_str(), BOXCAR_CUBLASLT_FILE}) {
    if (void* library = dlopen(file, RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

// The functions that are used, as cublasLt.h declares them.
struct Functions {
  explicit Functions(void* library) : library_(library) {}
  template <class F>
  F* named(const char* name) const {
    void* const found = dlsym(library_, name);
    if (!found) fail<DeviceError>("cuBLASLt has no function {}", name);
    return reinterpret_cast<F*>(found);
  }

 private:
  void* library_;

 public:
#define BOXCAR_CUBLASLT_FUNCTION(name) decltype(::name)* name = named<decltype(::name)>(#name)
  BOXCAR_CUBLASLT_FUNCTION(cublasLtGetVersion);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtGetStatusString);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtCreate);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtDestroy);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmul);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulDescCreate);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulDescDestroy);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulDescSetAttribute);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatrixLayoutCreate);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatrixLayoutDestroy);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceCreate);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceDestroy);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulPreferenceSetAttribute);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulAlgoGetHeuristic);
  BOXCAR_CUBLASLT_FUNCTION(cublasLtMatmulAlgoCheck);
#undef BOXCAR_CUBLASLT_FUNCTION
};

// Never closed: the library does not like to be loaded twice.
const Functions* functions() {
  static void* const library = open_file();
  if (!library) return nullptr;
  static const Functions all(library);
  return &all;
}

void require(const Functions& f, cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) fail<DeviceError>("{}: {}", what, f.cublasLtGetStatusString(status));
}
#define BOXCAR_CHECK_CUBLASLT(f, call) require((f), (f).call, #call)

cudaDataType_t type_of(DType dtype) { return dtype == DType::kBF16 ? CUDA_R_16BF : CUDA_R_32F; }

// The descriptors of a product. The library is column-major, where a row-major matrix is its transpose: it computes
// D' = op(B)' op(A)'.
class Product {
 public:
  Product(const Functions& f, const MatmulShape& s) : f_(f) {
    try {
      describe(s);
    } catch (...) {
      destroy();
      throw;
    }
  }
  ~Product() { destroy(); }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  cublasLtMatmulDesc_t what = nullptr;
  cublasLtMatrixLayout_t first = nullptr, second = nullptr, result = nullptr;

 private:
  void describe(const MatmulShape& s) {
    // Pedantic: f32 stays f32, no TF32 whatever the environment says.
    const bool f32 = s.inputs == DType::kF32;
    BOXCAR_CHECK_CUBLASLT(
        f_, cublasLtMatmulDescCreate(&what, f32 ? CUBLAS_COMPUTE_32F_PEDANTIC : CUBLAS_COMPUTE_32F, CUDA_R_32F));
    set(CUBLASLT_MATMUL_DESC_TRANSA, std::int32_t{s.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N});
    set(CUBLASLT_MATMUL_DESC_TRANSB, std::int32_t{s.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N});
    if (s.bias) set(CUBLASLT_MATMUL_DESC_EPILOGUE, std::uint32_t{CUBLASLT_EPILOGUE_BIAS});
    layout(first, s.inputs, s.transpose_b ? s.k : s.n, s.transpose_b ? s.n : s.k, s.ldb);
    layout(second, s.inputs, s.transpose_a ? s.m : s.k, s.transpose_a ? s.k : s.m, s.lda);
    layout(result, s.result, s.n, s.m, s.ldd);
  }
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, T value) {
    BOXCAR_CHECK_CUBLASLT(f_, cublasLtMatmulDescSetAttribute(what, attribute, &value, sizeof(value)));
  }
  void layout(cublasLtMatrixLayout_t& to, DType dtype, int rows, int columns, std::int64_t ld) {
    BOXCAR_CHECK_CUBLASLT(f_, cublasLtMatrixLayoutCreate(&to, type_of(dtype), static_cast<std::uint64_t>(rows),
                                                         static_cast<std::uint64_t>(columns), ld));
  }
  void destroy() noexcept {
    for (const cublasLtMatrixLayout_t layout : {first, second, result}) {
      if (layout) f_.cublasLtMatrixLayoutDestroy(layout);
    }
    if (what) f_.cublasLtMatmulDescDestroy(what);
  }

  const Functions& f_;
};

// Algorithms that add parts up in f32, in an order of their own but always the same.
class Preference {
 public:
  Preference(const Functions& f, const MatmulShape& s) : f_(f) {
    BOXCAR_CHECK_CUBLASLT(f_, cublasLtMatmulPreferenceCreate(&preference));
    try {
      set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, std::uint64_t{kMostWorkspace});
      set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(s.alignment_b));
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(s.alignment_a));
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<std::uint32_t>(s.alignment_d));
      set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<std::uint32_t>(s.alignment_d));
    } catch (...) {
      f_.cublasLtMatmulPreferenceDestroy(preference);
      throw;
    }
  }
  ~Preference() { f_.cublasLtMatmulPreferenceDestroy(preference); }
  Preference(const Preference&) = delete;
  Preference& operator=(const Preference&) = delete;

  cublasLtMatmulPreference_t preference = nullptr;

 private:
  template <class T>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, T value) {
    BOXCAR_CHECK_CUBLASLT(f_, cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof(value)));
  }
  const Functions& f_;
};

class Handle {
 public:
  explicit Handle(const Functions& f) : f_(f) { BOXCAR_CHECK_CUBLASLT(f_, cublasLtCreate(&handle)); }
  ~Handle() { f_.cublasLtDestroy(handle); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cublasLtHandle_t handle = nullptr;

 private:
  const Functions& f_;
};

constexpr std::string_view kPrefix = "cublaslt ";

class CublasltAlgorithm final : public MatmulAlgorithm {
 public:
  CublasltAlgorithm(const Functions& f, std::shared_ptr<const Handle> handle, std::shared_ptr<Product> product,
                    const cublasLtMatmulAlgo_t& algorithm, std::size_t workspace, bool bias)
      : f_(f),
        handle_(std::move(handle)),
        product_(std::move(product)),
        algorithm_(algorithm),
        workspace_(workspace),
        bias_(bias) {}

  // cublasLt.h: the structure can be stored and restored for the same version of the library.
  std::string name() const override {
    std::string text(kPrefix);
    for (const std::uint64_t word : algorithm_.data) text += fmt::format("{:016x}", word);
    return text;
  }
  std::size_t workspace_bytes() const override { return workspace_; }
  void run(Stream& stream, const MatmulOperands& o, void* workspace) override {
    StreamBackend& backend = stream.backend();
    if (bias_) {
      BOXCAR_CHECK_CUBLASLT(f_, cublasLtMatmulDescSetAttribute(product_->what, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
                                                               &o.bias, sizeof(o.bias)));
    }
    BOXCAR_CHECK_CUBLASLT(
        f_, cublasLtMatmul(handle_->handle, product_->what, &o.alpha, o.b, product_->first, o.a, product_->second,
                           &o.beta, o.d, product_->result, o.d, product_->result, &algorithm_, workspace, workspace_,
                           static_cast<cudaStream_t>(backend.handle())));
    backend.launched("cublaslt_matmul");
  }

 private:
  const Functions& f_;
  std::shared_ptr<const Handle> handle_;
  std::shared_ptr<Product> product_;
  cublasLtMatmulAlgo_t algorithm_;
  std::size_t workspace_;
  bool bias_;
};

class Cublaslt final : public MatmulLibrary {
 public:
  explicit Cublaslt(const Functions& f) : f_(f), handle_(std::make_shared<Handle>(f)) {}

  std::string version() const override { return "cuBLASLt " + cublaslt_version(); }

  std::vector<std::shared_ptr<MatmulAlgorithm>> algorithms(const MatmulShape& shape, int most) override {
    const auto product = std::make_shared<Product>(f_, shape);
    const Preference wanted(f_, shape);
    std::vector<cublasLtMatmulHeuristicResult_t> results(static_cast<std::size_t>(most));
    int found = 0;
    const cublasStatus_t status = f_.cublasLtMatmulAlgoGetHeuristic(handle_->handle, product->what, product->first,
                                                                    product->second, product->result, product->result,
                                                                    wanted.preference, most, results.data(), &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    require(f_, status, "cublasLtMatmulAlgoGetHeuristic");
    std::vector<std::shared_ptr<MatmulAlgorithm>> algorithms;
    for (int i = 0; i < found; ++i) {
      const cublasLtMatmulHeuristicResult_t& result = results[static_cast<std::size_t>(i)];
      if (result.state != CUBLAS_STATUS_SUCCESS || result.workspaceSize > kMostWorkspace) continue;
      algorithms.push_back(
          std::make_shared<CublasltAlgorithm>(f_, handle_, product, result.algo, result.workspaceSize, shape.bias));
    }
    return algorithms;
  }

  std::shared_ptr<MatmulAlgorithm> restore(const MatmulShape& shape, std::string_view name) override {
    cublasLtMatmulAlgo_t algorithm{};
    constexpr std::size_t kDigits = 16, kWords = std::extent_v<decltype(algorithm.data)>;
    if (!name.starts_with(kPrefix) || name.size() != kPrefix.size() + kDigits * kWords) return nullptr;
    for (std::size_t i = 0; i < kWords; ++i) {
      const std::string_view word = name.substr(kPrefix.size() + i * kDigits, kDigits);
      const auto read = std::from_chars(word.data(), word.data() + word.size(), algorithm.data[i], 16);
      if (read.ec != std::errc() || read.ptr != word.data() + word.size()) return nullptr;
    }
    const auto product = std::make_shared<Product>(f_, shape);
    cublasLtMatmulHeuristicResult_t result{};
    const cublasStatus_t status =
        f_.cublasLtMatmulAlgoCheck(handle_->handle, product->what, product->first, product->second, product->result,
                                   product->result, &algorithm, &result);
    if (status != CUBLAS_STATUS_SUCCESS || result.workspaceSize > kMostWorkspace) return nullptr;
    return std::make_shared<CublasltAlgorithm>(f_, handle_, product, algorithm, result.workspaceSize, shape.bias);
  }

 private:
  const Functions& f_;
  std::shared_ptr<const Handle> handle_;
};

}  // namespace

std::string cublaslt_version() {
  const Functions* const f = functions();
  if (!f) return {};
  const std::size_t version = f->cublasLtGetVersion();
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::shared_ptr<MatmulLibrary> open_cublaslt(Stream& stream) {
  const Functions* const f = functions();
  if (!f) fail<DeviceError>("libcublasLt.so.{} was not found", CUBLAS_VER_MAJOR);
  stream.backend().handle();  // the card becomes the thread's, which the library asks for
  return std::make_shared<Cublaslt>(*f);
}

}  // namespace boxcar::kernels
