// The random warp of a training picture.
#pragma once

#include "boxcar/data/augment/boxes.h"
#include "boxcar/data/augment/options.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {

struct AffineDraws {
  double perspective_x = 0, perspective_y = 0;  // third-row entries
  double angle = 0;                             // degrees, counter-clockwise on the screen
  double scale = 1;
  double shear_x = 0, shear_y = 0;              // degrees
  double translate_x = 0.5, translate_y = 0.5;  // where the centre goes, as a fraction of the output
};

/// Eight uniform draws, in the order of the fields, whatever the ranges are.
AffineDraws draw_affine(const AugmentOptions& options, Random& random);

/// T * S * R * P * C: the input's centre (exactly half its size) to the origin, perspective, rotation
/// and scale, shear, then to the drawn place of the out_width x out_height picture. Input to output.
Matrix3 affine_matrix(const AffineDraws& draws, int in_height, int in_width, int out_height, int out_width);

/// The inverse, computed in double; all 0 for a matrix that has none.
Matrix3 inverted(const Matrix3& matrix);

}  // namespace boxcar
