// Max pooling.
#pragma once

#include "boxcar/kernels/common/op_cost.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

struct PoolOptions {
  int kernel = 2;  // at most 16, so that a winner's place fits one byte
  int stride = 2;
  int padding = 0;  // at most kernel / 2; padded places never win
};

/// floor((size + 2 * padding - kernel) / stride) + 1.
int pool_output_size(int size, const PoolOptions& options);

/// y = the largest value of each window.
struct MaxPoolForwardArgs {
  TensorView x;                     // [N,H,W,C], pixel stride >= C, f32 or bf16
  TensorView y;                     // [N,OH,OW,C], pixel stride >= C
  std::uint8_t* winners = nullptr;  // [N,OH,OW,C] packed, or none: row * kernel + column of the
                                    // first largest value in row-major order of the window
  PoolOptions options;
};
void max_pool_forward(Stream& stream, const MaxPoolForwardArgs& args);
/// With a byte a value for the winners.
inline OpCost cost_of(const MaxPoolForwardArgs& args) {
  return {bytes_of(args.x) + bytes_of(args.y) + (args.winners ? args.y.count() : 0), 0};
}

/// dx: each element of dy goes to its window's winner. Gathers, so the order of sums is fixed.
struct MaxPoolBackwardArgs {
  TensorView dy;  // [N,OH,OW,C], pixel stride >= C
  const std::uint8_t* winners = nullptr;
  TensorView dx;  // [N,H,W,C], pixel stride >= C; written, or added to
  PoolOptions options;
  GradMode mode = GradMode::kOverwrite;
};
void max_pool_backward(Stream& stream, const MaxPoolBackwardArgs& args);
inline OpCost cost_of(const MaxPoolBackwardArgs& args) {
  return {bytes_of(args.dy) + args.dy.count() + bytes_of(args.dx) * (args.mode == GradMode::kAdd ? 2 : 1), 0};
}

}  // namespace boxcar::kernels
