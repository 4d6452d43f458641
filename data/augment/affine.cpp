#include "boxcar/data/augment/affine.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace boxcar {
namespace {

using Matrix = std::array<double, 9>;

Matrix operator*(const Matrix& a, const Matrix& b) {
  Matrix out{};
  for (int r = 0; r < 3; ++r) {
    for (int c = 0; c < 3; ++c) {
      for (int k = 0; k < 3; ++k) out[r * 3 + c] += a[r * 3 + k] * b[k * 3 + c];
    }
  }
  return out;
}

double radians(double degrees) { return degrees * std::numbers::pi / 180.0; }

}  // namespace

AffineDraws draw_affine(const AugmentOptions& o, Random& random) {
  const auto around = [&](double centre, double range) { return random.uniform(centre - range, centre + range); };
  AffineDraws d;
  d.perspective_x = around(0, o.perspective);
  d.perspective_y = around(0, o.perspective);
  d.angle = around(0, o.degrees);
  d.scale = random.uniform(o.scale[0], o.scale[1]);
  d.shear_x = around(0, o.shear);
  d.shear_y = around(0, o.shear);
  d.translate_x = around(0.5, o.translate);
  d.translate_y = around(0.5, o.translate);
  return d;
}

Matrix3 affine_matrix(const AffineDraws& d, int in_height, int in_width, int out_height, int out_width) {
  const Matrix centre{1, 0, -in_width / 2.0, 0, 1, -in_height / 2.0, 0, 0, 1};
  const Matrix perspective{1, 0, 0, 0, 1, 0, d.perspective_x, d.perspective_y, 1};
  const double cosine = d.scale * std::cos(radians(d.angle)), sine = d.scale * std::sin(radians(d.angle));
  const Matrix rotation{cosine, sine, 0, -sine, cosine, 0, 0, 0, 1};
  const Matrix shear{1, std::tan(radians(d.shear_x)), 0, std::tan(radians(d.shear_y)), 1, 0, 0, 0, 1};
  const Matrix translation{1, 0, d.translate_x * out_width, 0, 1, d.translate_y * out_height, 0, 0, 1};
  const Matrix product = translation * shear * rotation * perspective * centre;
  Matrix3 out;
  std::transform(product.begin(), product.end(), out.begin(), [](double v) { return static_cast<float>(v); });
  return out;
}

Matrix3 inverted(const Matrix3& matrix) {
  Matrix m;
  std::copy(matrix.begin(), matrix.end(), m.begin());
  const auto minor = [&](int r1, int c1, int r2, int c2) {
    return m[r1 * 3 + c1] * m[r2 * 3 + c2] - m[r1 * 3 + c2] * m[r2 * 3 + c1];
  };
  const Matrix adjugate{minor(1, 1, 2, 2),  -minor(0, 1, 2, 2), minor(0, 1, 1, 2),
                        -minor(1, 0, 2, 2), minor(0, 0, 2, 2),  -minor(0, 0, 1, 2),
                        minor(1, 0, 2, 1),  -minor(0, 0, 2, 1), minor(0, 0, 1, 1)};
  const double determinant = m[0] * adjugate[0] + m[1] * adjugate[3] + m[2] * adjugate[6];
  Matrix3 out{};
  if (determinant == 0) return out;
  for (int i = 0; i < 9; ++i) out[i] = static_cast<float>(adjugate[i] / determinant);
  return out;
}

}  // namespace boxcar
