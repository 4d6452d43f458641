// Muon: orthogonalised momentum for matrices (Jordan et al., 2024), with an SGD step behind it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "boxcar/kernels/optim/optim.h"
#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// A weight as the matrix that is orthogonalised, as it lies in memory. Permuted columns and transposition change
/// nothing but the order of the result, so OHWI serves as well as OIHW.
struct MuonMatrix {
  std::int64_t rows = 0, columns = 0;
  float scale = 1.0f;  // sqrt(max(1, a / b)) of the last two sizes a, b in the order O, I, height, width
};
/// Of a convolution's weight [O,kh,kw,I/groups], or [1,kh,kw,C] where depthwise: scale from kh / kw.
MuonMatrix muon_convolution(const Shape& weight, bool depthwise);
/// Of a two-dimensional weight: scale from out / in.
MuonMatrix muon_linear(std::int64_t out, std::int64_t in);

/// Nearly the orthogonal factor of a matrix: X = in / (|in|_F + 1e-7), then five times the quintic iteration
/// X = 3.4445 X + (-4.7750 Q + 2.0315 Q Q) X, Q = X X^T. f32 throughout.
struct NewtonSchulzArgs {
  std::int64_t rows = 0, columns = 0;
  const float* in = nullptr;  // [rows][columns]
  float* out = nullptr;       // as in; may be the same
};
/// The order of sums does not depend on the number of threads. Makes its tables on the way: not for a recorded step.
void newton_schulz(Stream& stream, const NewtonSchulzArgs& args);

struct MuonRange {
  std::int64_t offset = 0;  // rows * columns elements follow
  MuonMatrix matrix{};
  int group = 0;  // of StepCoefficients: UpdateCoefficients of SGD
};

/// A matrix and where its working copies lie. The tall form is worked on: the transposed of a wide matrix, which the
/// iteration commutes with, so that the square products are the small ones.
struct MuonTask {
  std::int64_t offset = 0;
  std::int32_t rows = 0, columns = 0;
  float scale = 1.0f;
  std::int32_t group = 0;
  std::int64_t x = 0, q = 0;                 // first element in each copy of all x and of all q
  std::int32_t first_chunk = 0, chunks = 0;  // pieces of kMuonChunk elements
};
inline constexpr int kMuonChunk = 4096;

/// A place of a table of work: a chunk (row) of a task's elements, or a tile of a product.
struct MuonPlace {
  std::int32_t task = 0, row = 0, column = 0;
};

/// The matrices of a model, made once, before the first step. On CUDA it holds the tables of work and the memory that a
/// step needs: 2 floats an element and 2 for each entry of the square matrices, so at most 4 floats an element.
class MuonPlan {
 public:
  MuonPlan() = default;
  /// The ranges must not overlap. Throws ShapeError for a matrix without elements and ArgumentError for a group out of
  /// range.
  MuonPlan(Stream& stream, std::vector<MuonRange> ranges);

  std::span<const MuonRange> ranges() const { return ranges_; }
  bool empty() const { return ranges_.empty(); }

  /// A table on the device. CUDA only.
  template <class T>
  struct Table {
    Tensor memory{};
    std::int64_t count = 0;
    const T* data() const { return memory.as<const T>(); }
  };
  const Table<MuonTask>& tasks() const { return tasks_; }
  const Table<MuonPlace>& chunks() const { return chunks_; }
  const Table<MuonPlace>& square_tiles() const { return square_tiles_; }  // of products [short][short]
  const Table<MuonPlace>& tall_tiles() const { return tall_tiles_; }      // of products [long][short]
  float* x(int copy) const { return x_[copy].as<float>(); }
  float* q(int copy) const { return q_[copy].as<float>(); }
  double* sums() const { return sums_.as<double>(); }  // one a chunk

 private:
  void build_tables(Stream& stream);

  std::vector<MuonRange> ranges_{};
  Table<MuonTask> tasks_{};
  Table<MuonPlace> chunks_{}, square_tiles_{}, tall_tiles_{};
  Tensor x_[2]{}, q_[2]{}, sums_{};
};
inline constexpr int kMuonTile = 64;  // rows and columns of a product that a block computes

/// One MuSGD step of matrices: u = mom u + (1-mom) g; p -= 0.2 lr scale NS(mom u + (1-mom) g); then Nesterov SGD with
/// the decayed gradient g + wd p and the buffer b. CPU: matrices are shared out among the threads.
struct MuonStepArgs {
  const MuonPlan& plan;
  const StepCoefficients* coefficients = nullptr;
  float* values = nullptr;
  const float* grads = nullptr;
  float* momentum = nullptr;           // u
  float* sgd_momentum = nullptr;       // b
  const GradientNorm* norm = nullptr;  // null: factor 1
};
/// Throws ArgumentError for a missing buffer.
void muon_step(Stream& stream, const MuonStepArgs& args);

}  // namespace boxcar::kernels
