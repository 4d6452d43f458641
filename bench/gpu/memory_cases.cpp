#include <algorithm>

#include "boxcar/kernels/common/copy.h"
#include "boxcar/kernels/norm_act/norm_act.h"
#include "boxcar/kernels/pool/max_pool.h"
#include "boxcar/kernels/resample/upsample.h"
#include "cases.h"

namespace boxcar::bench {
namespace {

using kernels::ActKind;

// A layer's norm with everything around it.
struct NormLayer {
  Tensor z, y, dy, dz, gamma, beta, mean, var, saved;

  NormLayer(Stream& s, Shape shape, DType dtype)
      : z(random_tensor(s, shape, dtype)),
        y(random_tensor(s, shape, dtype)),
        dy(random_tensor(s, shape, dtype)),
        dz(random_tensor(s, shape, dtype)),
        gamma(vector(s, shape.c)),
        beta(vector(s, shape.c)),
        mean(vector(s, shape.c)),
        var(vector(s, shape.c)),
        saved(vector(s, 2 * shape.c)) {}

  static Tensor vector(Stream& s, int count) {
    return Tensor::from(s, {1, 1, 1, count}, std::vector<float>(static_cast<std::size_t>(count), 1.0f));
  }
  kernels::Norm norm() const { return {gamma.as(), beta.as(), mean.as(), var.as()}; }
};

void add_norms(std::vector<Case>& cases, Shape shape, DType dtype) {
  cases.push_back({shape.str(), [=](Stream& s) -> Call {
                     const NormLayer l(s, shape, dtype);
                     return [=](Stream& stream) {
                       kernels::norm_act_forward(
                           stream, {l.z, l.norm(), {ActKind::kSilu}, {}, {{{0, shape.c}, l.y}}, l.saved.as()});
                     };
                   }});
  cases.push_back({shape.str(), [=](Stream& s) -> Call {
                     const NormLayer l(s, shape, dtype);
                     return [=](Stream& stream) {
                       kernels::norm_act_backward(stream, {l.z,
                                                           l.norm(),
                                                           l.saved.as(),
                                                           {ActKind::kSilu},
                                                           {{{0, shape.c}, l.dy}},
                                                           l.dz,
                                                           l.gamma.as(),
                                                           l.beta.as()});
                     };
                   }});
}

void add_resampling(std::vector<Case>& cases, Shape x, DType dtype) {
  const Shape y{x.n, 2 * x.h, 2 * x.w, x.c};
  cases.push_back({x.str(), [=](Stream& s) -> Call {
                     const Tensor from = random_tensor(s, x, dtype), to = Tensor::empty(s, y, dtype);
                     return [=](Stream& stream) { kernels::upsample_forward(stream, {from, {{{0, y.c}, to}}}); };
                   }});
  cases.push_back({x.str(), [=](Stream& s) -> Call {
                     const Tensor dy = random_tensor(s, y, dtype), dx = Tensor::empty(s, x, dtype);
                     return [=](Stream& stream) { kernels::upsample_backward(stream, {{{{0, y.c}, dy}}, dx}); };
                   }});
}

void add_pools(std::vector<Case>& cases, Shape shape, DType dtype) {
  const kernels::PoolOptions options{.kernel = 5, .stride = 1, .padding = 2};
  const auto winners_of = [=](Stream& s, const Tensor& x, const Tensor& y) {
    const Tensor winners = Tensor::empty(s, shape, DType::kU8);
    kernels::max_pool_forward(s, {x, y, winners.as<std::uint8_t>(), options});
    return winners;
  };
  cases.push_back({shape.str() + " 5x5", [=](Stream& s) -> Call {
                     const Tensor x = random_tensor(s, shape, dtype), y = Tensor::empty(s, shape, dtype);
                     const Tensor winners = winners_of(s, x, y);
                     return [=](Stream& stream) {
                       kernels::max_pool_forward(stream, {x, y, winners.as<std::uint8_t>(), options});
                     };
                   }});
  cases.push_back({shape.str() + " 5x5", [=](Stream& s) -> Call {
                     const Tensor x = random_tensor(s, shape, dtype), dy = random_tensor(s, shape, dtype);
                     const Tensor winners = winners_of(s, x, dy);
                     return [=](Stream& stream) {
                       kernels::max_pool_backward(stream, {dy, winners.as<std::uint8_t>(), x, options});
                     };
                   }});
}

void add_copies(std::vector<Case>& cases, Shape shape, DType dtype) {
  cases.push_back({shape.str() + " to a slice", [=](Stream& s) -> Call {
                     const Tensor x = random_tensor(s, shape, dtype);
                     const Tensor wide = Tensor::empty(s, {shape.n, shape.h, shape.w, 2 * shape.c}, dtype);
                     return [=](Stream& stream) { kernels::copy(stream, {x, wide.channels(shape.c, shape.c)}); };
                   }});
  cases.push_back({shape.str() + " two pieces", [=](Stream& s) -> Call {
                     const Tensor a = random_tensor(s, shape, dtype), b = random_tensor(s, shape, dtype);
                     const Tensor sum = Tensor::empty(s, shape, dtype);
                     const kernels::Range all{0, shape.c};
                     return [=](Stream& stream) { kernels::sum_pieces(stream, {{{all, a}, {all, b}}, sum}); };
                   }});
}

}  // namespace

std::vector<Case> memory_cases(const Settings& settings, DType dtype) {
  const auto map = [&](int side, int channels) {
    const int shrunk = std::max(side / settings.shrink, 2);
    return Shape{settings.batch, shrunk, shrunk, channels};
  };
  std::vector<Case> cases;
  for (const Shape& shape : {map(320, 16), map(160, 64), map(80, 128), map(40, 256), map(20, 512), map(80, 80)}) {
    add_norms(cases, shape, dtype);
  }
  add_resampling(cases, map(40, 128), dtype);
  add_resampling(cases, map(40, 512), dtype);
  add_pools(cases, map(20, 128), dtype);
  add_copies(cases, map(80, 128), dtype);
  return cases;
}

}  // namespace boxcar::bench
