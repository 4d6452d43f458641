#include "boxcar/kernels/common/dispatch.h"

namespace boxcar::kernels {

void check_same_shape(const char* op, const TensorView& a, const TensorView& b) {
  if (a.shape() != b.shape()) {
    fail<ShapeError>("{}: shapes {} and {} differ", op, a.shape().str(), b.shape().str());
  }
}

void check_same_dtype(const char* op, const TensorView& a, const TensorView& b) {
  if (a.dtype != b.dtype) {
    fail<ShapeError>("{}: types {} and {} differ", op, name_of(a.dtype), name_of(b.dtype));
  }
}

void check_packed(const char* op, const char* what, const TensorView& x) {
  if (!x.packed()) {
    fail<ShapeError>("{}: {} {} must be packed, but its pixels are {} elements apart", op, what, x.shape().str(), x.ld);
  }
}

}  // namespace boxcar::kernels
