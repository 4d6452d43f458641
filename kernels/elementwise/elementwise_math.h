// Formulas and derivatives of the elementwise ops, for both backends. T is float; double in tests.
// NaN stays NaN. Where a slope is not unique the value is PyTorch's, except sqrt's (see there).
#pragma once

#include <math.h>

#include "boxcar/kernels/activation/activation_math.h"
#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

enum class UnaryOp { kExp, kLog, kSqrt, kSquare, kAbs, kClamp, kSigmoid, kSilu, kRelu, kSoftplus };
enum class BinaryOp { kAdd, kSubtract, kMultiply, kDivide, kPow, kMin, kMax, kLess, kGreater };

/// An elementwise function of one argument; low and high are clamp's.
struct UnaryFunction {
  UnaryOp op = UnaryOp::kExp;
  float low = 0.0f, high = 0.0f;
};

template <class T>
BOXCAR_HD T unary_value(const UnaryFunction& f, T x) {
  switch (f.op) {
    case UnaryOp::kExp:
      return exp(x);
    case UnaryOp::kLog:
      return log(x);
    case UnaryOp::kSqrt:
      return sqrt(x);
    case UnaryOp::kSquare:
      return x * x;
    case UnaryOp::kAbs:
      return fabs(x);
    case UnaryOp::kClamp:
      return x < T(f.low) ? T(f.low) : (x > T(f.high) ? T(f.high) : x);
    case UnaryOp::kSigmoid:
      return sigmoid(x);
    case UnaryOp::kSilu:
      return silu(x);
    case UnaryOp::kRelu:
      return x < T(0) ? T(0) : x;
    case UnaryOp::kSoftplus:
      return softplus(x);
  }
  return x;
}

/// Slope at x. sqrt at 0: 0, where PyTorch has infinity, so that the length of a zero vector, sqrt(sum(square(d))),
/// has a gradient of 0 and not NaN. abs and relu at 0: 0. clamp at its limits: 1.
template <class T>
BOXCAR_HD T unary_slope(const UnaryFunction& f, T x) {
  switch (f.op) {
    case UnaryOp::kExp:
      return exp(x);
    case UnaryOp::kLog:
      return T(1) / x;
    case UnaryOp::kSqrt:
      return x == T(0) ? T(0) : T(0.5) / sqrt(x);
    case UnaryOp::kSquare:
      return T(2) * x;
    case UnaryOp::kAbs:
      return x > T(0) ? T(1) : (x < T(0) ? T(-1) : x - x);
    case UnaryOp::kClamp:
      return x < T(f.low) || x > T(f.high) ? T(0) : T(1);
    case UnaryOp::kSigmoid:
      return sigmoid(x) * (T(1) - sigmoid(x));
    case UnaryOp::kSilu:
      return silu_grad(x);
    case UnaryOp::kRelu:
      return x > T(0) ? T(1) : T(0);
    case UnaryOp::kSoftplus:
      return sigmoid(x);
  }
  return T(1);
}

template <class T>
BOXCAR_HD T binary_value(BinaryOp op, T a, T b) {
  switch (op) {
    case BinaryOp::kAdd:
      return a + b;
    case BinaryOp::kSubtract:
      return a - b;
    case BinaryOp::kMultiply:
      return a * b;
    case BinaryOp::kDivide:
      return a / b;
    case BinaryOp::kPow:
      return pow(a, b);
    case BinaryOp::kMin:
      return a < b || a != a ? a : b;
    case BinaryOp::kMax:
      return a > b || a != a ? a : b;
    case BinaryOp::kLess:
      return a < b ? T(1) : T(0);
    case BinaryOp::kGreater:
      return a > b ? T(1) : T(0);
  }
  return a;
}

/// Derivatives with respect to both arguments.
template <class T>
struct BinarySlopes {
  T a = T(0), b = T(0);
};

/// min and max of equal arguments: half each. pow: 0 for an exponent of 0, and with respect to the exponent 0 at a base
/// of 0 unless the exponent is negative. Comparisons have no slope.
template <class T>
BOXCAR_HD BinarySlopes<T> binary_slopes(BinaryOp op, T a, T b) {
  const T half = a == b ? T(0.5) : T(0);
  switch (op) {
    case BinaryOp::kAdd:
      return {T(1), T(1)};
    case BinaryOp::kSubtract:
      return {T(1), T(-1)};
    case BinaryOp::kMultiply:
      return {b, a};
    case BinaryOp::kDivide:
      return {T(1) / b, -a / b / b};
    case BinaryOp::kPow:
      return {b == T(0) ? T(0) : b * pow(a, b - T(1)), a == T(0) && b >= T(0) ? T(0) : pow(a, b) * log(a)};
    case BinaryOp::kMin:
      return {a < b ? T(1) : half, b < a ? T(1) : half};
    case BinaryOp::kMax:
      return {a > b ? T(1) : half, b > a ? T(1) : half};
    case BinaryOp::kLess:
    case BinaryOp::kGreater:
      return {};
  }
  return {};
}

}  // namespace boxcar::kernels
