// What the plain and the vector code of normalisation share: from sums over blocks of rows to statistics and gradients.
#pragma once

#include <memory_resource>
#include <span>
#include <vector>

#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/norm_act/row_blocks.h"

namespace boxcar::kernels::cpu {

/// Merges moments in block order; parts [blocks, 2, C]: means, then sums of squared distances from them. Writes
/// mean and rstd and updates the running statistics.
void save_batch_statistics(Stream& stream, const BatchStatisticsArgs& args, const RowBlocks& blocks,
                           std::span<const float> parts);

/// saved_mean_rstd from the running statistics.
void save_running_statistics(const NormActForwardArgs& args);

/// Sum over blocks, in their order, of parts [blocks, width].
std::pmr::vector<float> sum_of_parts(Stream& stream, std::span<const float> parts, std::int64_t blocks,
                                     std::size_t width);

/// Writes or adds to dgamma and dbeta; sums [2, C]: of g, then of g * z_hat.
void write_parameter_grads(const NormActBackwardArgs& args, std::span<const float> sums);

}  // namespace boxcar::kernels::cpu
