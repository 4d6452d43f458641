// The gradient of a Value while a backward pass collects it.
#pragma once

#include <vector>

#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::nn {

using kernels::Range;

/// Whether a gradient piece may be written in place by who receives it.
enum class Own {
  kShared,     // others read it too (a residual, a slice of a concat's gradient)
  kExclusive,  // nobody else holds it
};

/// An ordered list of pieces, each a channel range, not a sum: whoever needs the sum
/// reads the pieces (norm_act_backward) or asks for as_one(). The backward pass runs on one thread in
/// reverse order of the tape, so the order of summation is fixed. More than four pieces are folded.
class Gradient {
 public:
  explicit Gradient(Shape shape = {}, DType dtype = DType::kF32) : shape_(shape), dtype_(dtype) {}

  void add(Stream& stream, Range of, Tensor piece, Own own);
  bool empty() const { return pieces_.empty(); }
  kernels::GradPieces pieces() const;
  /// One packed tensor of all channels: the piece itself if there is just one and it fits, else a sum.
  /// The caller may write to it only if `exclusive` comes back true.
  Tensor as_one(Stream& stream, bool* exclusive = nullptr);
  /// Pieces with their owners, for handing on (a residual's gradient is the sum's).
  struct Piece {
    Range of;
    Tensor tensor;
    Own own;
  };
  const std::vector<Piece>& list() const { return pieces_; }
  void release() { pieces_.clear(); }

 private:
  void fold(Stream& stream);

  Shape shape_;
  DType dtype_;
  std::vector<Piece> pieces_;
};

}  // namespace boxcar::nn
