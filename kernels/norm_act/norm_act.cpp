#include "boxcar/kernels/norm_act/norm_act.h"

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/norm_act/norm_act_checks.h"
#include "boxcar/kernels/norm_act/norm_act_plain.h"
#include "boxcar/kernels/norm_act/norm_act_simd.h"

namespace boxcar::kernels {
namespace cpu {

void norm_act_forward(Stream& stream, const NormActForwardArgs& args) {
  if (simd::has_activation(args.act)) {
    simd::norm_act_forward(stream, args);
  } else {
    plain::norm_act_forward(stream, args);
  }
}

void norm_act_backward(Stream& stream, const NormActBackwardArgs& args) {
  if (simd::has_activation(args.act)) {
    simd::norm_act_backward(stream, args);
  } else {
    plain::norm_act_backward(stream, args);
  }
}

void sum_pieces(Stream& stream, const SumPiecesArgs& args) { simd::sum_pieces(stream, args); }

}  // namespace cpu

#if BOXCAR_WITH_CUDA
namespace cuda {
void norm_act_forward(Stream& stream, const NormActForwardArgs& args);
void norm_act_backward(Stream& stream, const NormActBackwardArgs& args);
void sum_pieces(Stream& stream, const SumPiecesArgs& args);
}  // namespace cuda
#endif

void check_range(const char* op, const TensorView& whole, Range of, const TensorView& part) {
  if (of.first < 0 || of.count < 0 || of.first + of.count > whole.c || part.c != of.count || part.n != whole.n ||
      part.h != whole.h || part.w != whole.w) {
    fail<ShapeError>("{}: {} does not hold channels {}..{} of {}", op, part.shape().str(), of.first,
                     of.first + of.count - 1, whole.shape().str());
  }
  check_same_dtype(op, whole, part);
}

namespace {

std::int64_t bytes_of_pieces(const GradPieces& pieces) {
  std::int64_t bytes = 0;
  for (const GradPiece& piece : pieces) bytes += bytes_of(piece.from);
  return bytes;
}

}  // namespace

void norm_act_forward(Stream& stream, const NormActForwardArgs& args) {
  check_packed("norm_act_forward", "z", args.z);
  if (args.residual) {
    check_same_shape("norm_act_forward", args.z, *args.residual);
    check_same_dtype("norm_act_forward", args.z, *args.residual);
  }
  for (const Destination& d : args.to) check_range("norm_act_forward", args.z, d.of, d.to);
  if (args.z.count() == 0) return;
  BOXCAR_DISPATCH(stream, norm_act_forward, args);
}

void norm_act_backward(Stream& stream, const NormActBackwardArgs& args) {
  check_packed("norm_act_backward", "z", args.z);
  check_packed("norm_act_backward", "dz", args.dz);
  check_same_shape("norm_act_backward", args.z, args.dz);
  check_same_dtype("norm_act_backward", args.z, args.dz);
  for (const GradPiece& piece : args.from) check_range("norm_act_backward", args.z, piece.of, piece.from);
  if (args.z.count() == 0) return;
  BOXCAR_DISPATCH(stream, norm_act_backward, args);
}

void sum_pieces(Stream& stream, const SumPiecesArgs& args) {
  check_packed("sum_pieces", "the sum", args.to);
  for (const GradPiece& piece : args.from) check_range("sum_pieces", args.to, piece.of, piece.from);
  if (args.to.count() == 0) return;
  BOXCAR_DISPATCH(stream, sum_pieces, args);
}

OpCost cost_of(const NormActForwardArgs& args) {
  std::int64_t bytes = bytes_of(args.z);
  if (args.residual) bytes += bytes_of(*args.residual);
  for (const Destination& d : args.to) bytes += bytes_of(d.to);
  return {bytes, 0};
}

// One pass for the sums, one that writes dz. The first one keeps the sum of many pieces in dz for the second.
OpCost cost_of(const NormActBackwardArgs& args) {
  const std::int64_t z = bytes_of(args.z), from = bytes_of_pieces(args.from), dz = bytes_of(args.dz);
  if (!args.norm.batch_stats && !args.dgamma && !args.dbeta) return {z + from + dz, 0, 1};
  if (args.from.size() >= kManyPieces) return {2 * z + from + 3 * dz, 0, 2};
  return {2 * (z + from) + dz, 0, 2};
}

OpCost cost_of(const SumPiecesArgs& args) { return {bytes_of_pieces(args.from) + bytes_of(args.to), 0}; }

}  // namespace boxcar::kernels
