// Muon: orthogonalised momentum for matrices (Jordan et al., 2024), with an SGD step behind it.
#pragma once

#include <cstdint>
#include <span>

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
/// Matrix products run on one thread, so that the bits do not depend on their number.
void newton_schulz(Stream& stream, const NewtonSchulzArgs& args);

struct MuonRange {
  std::int64_t offset = 0;  // rows * columns elements follow
  MuonMatrix matrix{};
  double lr = 0.0, momentum = 0.0, weight_decay = 0.0;
};

/// One MuSGD step of matrices: u = mom u + (1-mom) g; p -= 0.2 lr scale NS(mom u + (1-mom) g); then Nesterov SGD with
/// the decayed gradient g + wd p and the buffer b. Matrices are shared out among the threads.
struct MuonStepArgs {
  std::span<const MuonRange> ranges{};
  float* values = nullptr;
  const float* grads = nullptr;
  float* momentum = nullptr;           // u
  float* sgd_momentum = nullptr;       // b
  const GradientNorm* norm = nullptr;  // null: factor 1
};
void muon_step(Stream& stream, const MuonStepArgs& args);

}  // namespace boxcar::kernels
