// The formulas of the activations and their derivatives, for both backends.
// T is float; double in tests.
#pragma once

// Not <cmath>, which need not declare the float functions at global scope.
#include <math.h>

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

enum class ActKind { kIdentity, kSilu, kRelu, kLeakyRelu, kRelu6, kHardswish, kGelu, kElu, kMish, kSigmoid };

struct Act {
  ActKind kind = ActKind::kIdentity;
  float parameter = 0.0f;  // LeakyReLU: slope below 0; ELU: alpha
};

template <class T>
BOXCAR_HD T sigmoid(T x) {
  return T(1) / (T(1) + exp(-x));
}

/// x * sigmoid(x); Elfwing, Uchibe, Doya: "Sigmoid-weighted linear units" (2017).
template <class T>
BOXCAR_HD T silu(T x) {
  return x * sigmoid(x);
}
template <class T>
BOXCAR_HD T silu_grad(T x) {
  const T s = sigmoid(x);
  return s * (T(1) + x * (T(1) - s));
}

/// log(1 + e^x) without overflow.
template <class T>
BOXCAR_HD T softplus(T x) {
  return x > T(0) ? x + log1p(exp(-x)) : log1p(exp(x));
}

/// act(x). GELU is the exact form, x * Phi(x); Hardswish x * relu6(x + 3) / 6; Mish x * tanh(softplus(x)).
template <class T>
BOXCAR_HD T activate(Act act, T x) {
  switch (act.kind) {
    case ActKind::kIdentity:
      return x;
    case ActKind::kSilu:
      return silu(x);
    case ActKind::kRelu:
      return x > T(0) ? x : T(0);
    case ActKind::kLeakyRelu:
      return x > T(0) ? x : T(act.parameter) * x;
    case ActKind::kRelu6:
      return x < T(0) ? T(0) : (x > T(6) ? T(6) : x);
    case ActKind::kHardswish:
      return x <= T(-3) ? T(0) : (x >= T(3) ? x : x * (x + T(3)) / T(6));
    case ActKind::kGelu:
      return T(0.5) * x * (T(1) + erf(x * T(0.70710678118654752440)));
    case ActKind::kElu:
      return x > T(0) ? x : T(act.parameter) * expm1(x);
    case ActKind::kMish:
      return x * tanh(softplus(x));
    case ActKind::kSigmoid:
      return sigmoid(x);
  }
  return x;
}

/// d act(x) / dx. At a kink: the value PyTorch takes (0 for ReLU and ReLU6 at the border).
template <class T>
BOXCAR_HD T activate_grad(Act act, T x) {
  switch (act.kind) {
    case ActKind::kIdentity:
      return T(1);
    case ActKind::kSilu:
      return silu_grad(x);
    case ActKind::kRelu:
      return x > T(0) ? T(1) : T(0);
    case ActKind::kLeakyRelu:
      return x > T(0) ? T(1) : T(act.parameter);
    case ActKind::kRelu6:
      return x > T(0) && x < T(6) ? T(1) : T(0);
    case ActKind::kHardswish:
      return x <= T(-3) ? T(0) : (x >= T(3) ? T(1) : x / T(3) + T(0.5));
    case ActKind::kGelu:
      return T(0.5) * (T(1) + erf(x * T(0.70710678118654752440))) +
             x * T(0.39894228040143267794) * exp(T(-0.5) * x * x);
    case ActKind::kElu:
      return x > T(0) ? T(1) : T(act.parameter) * exp(x);
    case ActKind::kMish: {
      const T t = tanh(softplus(x));
      return t + x * sigmoid(x) * (T(1) - t * t);
    }
    case ActKind::kSigmoid: {
      const T s = sigmoid(x);
      return s * (T(1) - s);
    }
  }
  return T(1);
}

}  // namespace boxcar::kernels
