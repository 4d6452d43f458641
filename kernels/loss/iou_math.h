// Overlap measures of two boxes and their gradients, for both backends. T is float; double in tests.
//
// IoU; GIoU: Rezatofighi et al. (2019); DIoU and CIoU: Zheng et al. (2020). A box is (x1, y1, x2, y2) in any
// unit. Heights carry an epsilon and widths do not: results of boxes without area depend on it.
#pragma once

#include <math.h>

#include "boxcar/kernels/common/host_device.h"

namespace boxcar::kernels {

/// Corners of a box, or the gradient with respect to them.
template <class T>
struct BoxOf {
  T x1 = T(0), y1 = T(0), x2 = T(0), y2 = T(0);
};
using BoxF = BoxOf<float>;

enum class IouKind { kIou, kGiou, kDiou, kCiou };

inline constexpr double kIouEps = 1e-7;

/// Everything about one axis of a pair of boxes: extent of the first, its derivative with respect to (low,
/// high) being (-1, +1), and the overlap and the hull of both intervals with their derivatives.
template <class T>
struct AxisOverlap {
  T inter = T(0), inter_low = T(0), inter_high = T(0);
  T hull = T(0), hull_low = T(0), hull_high = T(0);
  T gap = T(0);  // twice the distance of the centres, second minus first
};

/// Derivative of min(a, b) with respect to a: shared half and half where they are equal.
template <class T>
BOXCAR_HD T slope_of_min(T a, T b) {
  return a < b ? T(1) : (a == b ? T(0.5) : T(0));
}

template <class T>
BOXCAR_HD AxisOverlap<T> axis_overlap(T low, T high, T other_low, T other_high) {
  AxisOverlap<T> r;
  const T inner = (high < other_high ? high : other_high) - (low > other_low ? low : other_low);
  if (inner > T(0)) {  // slope 0 at 0 and below
    r.inter = inner;
    r.inter_low = -slope_of_min(other_low, low);
    r.inter_high = slope_of_min(high, other_high);
  }
  r.hull = (high > other_high ? high : other_high) - (low < other_low ? low : other_low);
  r.hull_low = -slope_of_min(low, other_low);
  r.hull_high = slope_of_min(other_high, high);
  r.gap = other_low + other_high - low - high;
  return r;
}

/// Value and its gradient with respect to the first box.
template <class T>
struct IouResult {
  T value = T(0);
  BoxOf<T> grad;
};

/// a * da + b * db for the derivatives of a product of a function of x and a function of y.
template <class T>
BOXCAR_HD BoxOf<T> combine(T fx, T x_low, T x_high, T fy, T y_low, T y_high) {
  return {fx * x_low, fy * y_low, fx * x_high, fy * y_high};
}

/// g += f * d.
template <class T>
BOXCAR_HD void add_scaled(BoxOf<T>& g, T f, const BoxOf<T>& d) {
  g.x1 += f * d.x1;
  g.y1 += f * d.y1;
  g.x2 += f * d.x2;
  g.y2 += f * d.y2;
}

/// Subtracts the centre-distance term rho^2 / c^2 of DIoU and CIoU.
template <class T>
BOXCAR_HD void subtract_distance(IouResult<T>& r, const AxisOverlap<T>& x, const AxisOverlap<T>& y) {
  const T diagonal = x.hull * x.hull + y.hull * y.hull + T(kIouEps);
  const T distance = (x.gap * x.gap + y.gap * y.gap) / T(4);
  r.value -= distance / diagonal;
  const BoxOf<T> d_distance{-x.gap / T(2), -y.gap / T(2), -x.gap / T(2), -y.gap / T(2)};
  const BoxOf<T> d_diagonal = combine(T(2) * x.hull, x.hull_low, x.hull_high, T(2) * y.hull, y.hull_low, y.hull_high);
  add_scaled(r.grad, T(-1) / diagonal, d_distance);
  add_scaled(r.grad, distance / diagonal / diagonal, d_diagonal);
}

/// Subtracts the aspect-ratio term alpha * v of CIoU; alpha is a constant of the gradient.
template <class T>
BOXCAR_HD void subtract_aspect(IouResult<T>& r, T iou, T w, T h, T other_w, T other_h) {
  constexpr double kPi = 3.14159265358979323846;
  const T angle = atan(other_w / other_h) - atan(w / h);
  const T v = T(4 / (kPi * kPi)) * angle * angle;
  const T alpha = v / (T(1) - iou + v + T(kIouEps));
  r.value -= alpha * v;
  const T k = T(8 / (kPi * kPi)) * angle / (w * w + h * h);
  const T d_w = alpha * k * h, d_h = -alpha * k * w;  // of -alpha * v
  add_scaled(r.grad, T(1), BoxOf<T>{-d_w, -d_h, d_w, d_h});
}

/// The measure of a against b and its gradient with respect to a, with the edge rules of automatic
/// differentiation: max(0, t) has slope 0 at t = 0; where a side of a coincides with the same side of b, min
/// and max hand each of them half. Values of all kinds are at most 1 (up to rounding).
template <class T>
BOXCAR_HD IouResult<T> iou_with_grad(IouKind kind, const BoxOf<T>& a, const BoxOf<T>& b) {
  const T w = a.x2 - a.x1, h = a.y2 - a.y1 + T(kIouEps);
  const T other_w = b.x2 - b.x1, other_h = b.y2 - b.y1 + T(kIouEps);
  const AxisOverlap<T> x = axis_overlap(a.x1, a.x2, b.x1, b.x2), y = axis_overlap(a.y1, a.y2, b.y1, b.y2);
  const T inter = x.inter * y.inter;
  const T area = w * h + other_w * other_h - inter + T(kIouEps);  // of the union
  const T iou = inter / area;
  const BoxOf<T> d_inter = combine(y.inter, x.inter_low, x.inter_high, x.inter, y.inter_low, y.inter_high);
  BoxOf<T> d_area = combine(h, T(-1), T(1), w, T(-1), T(1));
  add_scaled(d_area, T(-1), d_inter);
  IouResult<T> r;
  r.value = iou;
  add_scaled(r.grad, T(1) / area, d_inter);
  add_scaled(r.grad, -iou / area, d_area);
  if (kind == IouKind::kGiou) {
    const T hull = x.hull * y.hull + T(kIouEps);
    r.value -= (hull - area) / hull;
    add_scaled(r.grad, T(1) / hull, d_area);
    add_scaled(r.grad, -area / hull / hull, combine(y.hull, x.hull_low, x.hull_high, x.hull, y.hull_low, y.hull_high));
  }
  if (kind == IouKind::kDiou || kind == IouKind::kCiou) subtract_distance(r, x, y);
  if (kind == IouKind::kCiou) subtract_aspect(r, iou, w, h, other_w, other_h);
  return r;
}

/// The value alone; the compiler drops the gradient.
template <class T>
BOXCAR_HD T iou(IouKind kind, const BoxOf<T>& a, const BoxOf<T>& b) {
  return iou_with_grad(kind, a, b).value;
}

/// dy times the gradient with respect to `of`; 0 where dy is 0, whatever the slope. The measures are symmetric, so
/// exchanging the boxes gives the other one's.
template <class T>
BOXCAR_HD BoxOf<T> iou_gradient(IouKind kind, const BoxOf<T>& of, const BoxOf<T>& other, T dy) {
  BoxOf<T> g;
  if (dy != T(0)) add_scaled(g, dy, iou_with_grad(kind, of, other).grad);
  return g;
}

}  // namespace boxcar::kernels
