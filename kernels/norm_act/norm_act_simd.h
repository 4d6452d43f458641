// Normalisation and activation on the CPU with vector instructions, chosen when the program runs.
//
// A packed tensor is a flat run of floats whose channels repeat every C. Per-channel values are laid out over a period,
// a multiple of both C and 16 floats, so that the loops know neither rows nor channels and few channels cost no lanes.
// Sums are kept for every place of the period, then folded into channels. The order of all sums follows from the shape:
// neither threads nor AVX2 or AVX-512 change a bit. (Older ones have no fused multiply-add and round otherwise.)
#pragma once

#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/norm_pattern.h"
#include "boxcar/kernels/norm_act/row_blocks.h"

namespace boxcar::kernels::cpu::simd {

/// Whether the activation has vector code: identity, SiLU, ReLU.
bool has_activation(Act act);

/// As the functions of norm_act.h and batch_statistics.h, on checked arguments that are not empty.
void batch_statistics(Stream& stream, const BatchStatisticsArgs& args);
void norm_act_forward(Stream& stream, const NormActForwardArgs& args);
void norm_act_backward(Stream& stream, const NormActBackwardArgs& args);
void sum_pieces(Stream& stream, const SumPiecesArgs& args);

/// batch_statistics() for who makes z some blocks of rows at a time, while they are in the caches.
class BatchMoments {
 public:
  BatchMoments(Stream& stream, const BatchStatisticsArgs& args);
  const RowBlocks& blocks() const { return blocks_; }
  /// Of block `b` of z; from any thread.
  void add(std::int64_t b);
  /// Writes the statistics, after all blocks.
  void save() const;

 private:
  Stream& stream_;
  BatchStatisticsArgs args_;
  RowBlocks blocks_;
  Period period_;
  std::pmr::vector<float> parts_;  // [blocks, 2, C]: means, then sums of squared distances from them
};

/// norm_act_backward() for who takes dz some rows at a time, while they are in the caches. The constructor makes the
/// sums over the batch and writes dgamma and dbeta; args.dz is not needed. `args` must live as long.
class NormGradRows {
 public:
  NormGradRows(Stream& stream, const NormActBackwardArgs& args);
  /// Rows [begin, end) of dz, packed; from any thread.
  void write(std::int64_t begin, std::int64_t end, void* dz) const;

 private:
  Stream& stream_;
  const NormActBackwardArgs& args_;
  NormPattern norm_;
  std::pmr::vector<float> means_;  // of g, then of g * z_hat, each over the period
};

}  // namespace boxcar::kernels::cpu::simd
