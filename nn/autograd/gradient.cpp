#include "boxcar/nn/autograd/gradient.h"

namespace boxcar::nn {

void Gradient::add(Stream& stream, Range of, Tensor piece, Own own) {
  if (static_cast<int>(pieces_.size()) == kernels::GradPieces::capacity()) fold(stream);
  pieces_.push_back({of, std::move(piece), own});
}

kernels::GradPieces Gradient::pieces() const {
  kernels::GradPieces list;
  for (const Piece& piece : pieces_) list.push_back({piece.of, piece.tensor.view()});
  return list;
}

void Gradient::fold(Stream& stream) {
  const Tensor sum = Tensor::empty(stream, shape_, dtype_);
  kernels::sum_pieces(stream, {pieces(), sum});
  pieces_.clear();
  pieces_.push_back({{0, shape_.c}, sum, Own::kExclusive});
}

Tensor Gradient::as_one(Stream& stream, bool* exclusive) {
  const bool fits = pieces_.size() == 1 && pieces_[0].of == Range{0, shape_.c} && pieces_[0].tensor.packed();
  if (!fits) fold(stream);
  if (exclusive) *exclusive = pieces_[0].own == Own::kExclusive;
  return pieces_[0].tensor;
}

}  // namespace boxcar::nn
