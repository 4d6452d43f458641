// Batch normalisation (with statistics that are given), activation and residual in one pass over memory.
//
// y = act(norm(z)) + residual, norm(z) = gamma * (z - mean) * rstd + beta per channel, as in
// Ioffe, Szegedy: "Batch normalization" (2015). The convolution's output z is read packed; the
// result is written to up to three destinations, each a channel range, and the backward pass
// reads the sum of up to four gradient pieces, so that concatenation, channel split, residual
// addition and gradient accumulation cost no pass of their own (docs/design.md).
#pragma once

#include <optional>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/kernels/common/small_vector.h"
#include "boxcar/kernels/norm_act/batch_statistics.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Channels of a producer: first, first+1, ..., first+count-1.
struct Range {
  int first = 0, count = 0;
  bool operator==(const Range&) const = default;
};

/// One place where a result is written: channels `of` of it go to `to` (to.c == of.count, any ld).
struct Destination {
  Range of;
  TensorView to;
};
using Destinations = SmallVector<Destination, 3>;

/// One part of a result's gradient. Pieces are added in order; a channel with none has gradient 0.
struct GradPiece {
  Range of;
  TensorView from;
};
using GradPieces = SmallVector<GradPiece, 4>;
/// From so many on, the backward pass adds them up only once.
inline constexpr int kManyPieces = 3;

struct Norm {
  const float* gamma = nullptr;   // [C]
  const float* beta = nullptr;    // [C]
  float* running_mean = nullptr;  // [C]; statistics of a batch update them
  float* running_var = nullptr;   // [C]
  float eps = 1e-3f;
  float momentum = 0.03f;   // of that update
  bool batch_stats = true;  // false: the running statistics normalise (evaluation, frozen layers)

  /// Where statistics of a batch go: to mean_rstd [2C] and the running ones; nowhere without batch_stats.
  BatchStatistics statistics(float* mean_rstd) const {
    if (!batch_stats) return {};
    return {mean_rstd, running_mean, running_var, eps, momentum};
  }
};

struct NormActForwardArgs {
  TensorView z;  // [N,H,W,C] packed, f32 or bf16
  Norm norm;
  Act act;
  std::optional<TensorView> residual;  // as z, pixel stride >= C; added after the activation
  Destinations to;                     // same dtype as z
  float* saved_mean_rstd = nullptr;    // [2C]: mean, then 1/sqrt(var + eps)
};
/// With batch_stats, saved_mean_rstd normalises: the statistics of z, which conv_forward() or batch_statistics() have
/// written. Without, the running statistics do, and are written there for the backward pass.
void norm_act_forward(Stream& stream, const NormActForwardArgs& args);
OpCost cost_of(const NormActForwardArgs& args);

struct NormActBackwardArgs {
  TensorView z;  // as in the forward pass
  Norm norm;
  const float* saved_mean_rstd = nullptr;
  Act act;
  GradPieces from;                       // dy; the residual's gradient is dy itself and is not made here
  TensorView dz;                         // [N,H,W,C] packed, written; may not overlap z or a piece
  float* dgamma = nullptr;               // [C]; null: not wanted (frozen)
  float* dbeta = nullptr;                // [C]; null: not wanted
  GradMode mode = GradMode::kOverwrite;  // whether dgamma and dbeta are written or added to
};
/// Two passes: sums over the batch, then dz. Without batch_stats mean and rstd are constants.
void norm_act_backward(Stream& stream, const NormActBackwardArgs& args);
OpCost cost_of(const NormActBackwardArgs& args);

/// The sum of gradient pieces as one packed tensor of all channels.
struct SumPiecesArgs {
  GradPieces from;
  TensorView to;  // [N,H,W,C] packed, written
};
void sum_pieces(Stream& stream, const SumPiecesArgs& args);
OpCost cost_of(const SumPiecesArgs& args);

}  // namespace boxcar::kernels
