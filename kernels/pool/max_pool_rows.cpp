#include "boxcar/kernels/common/simd_targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "boxcar/kernels/pool/max_pool_rows.cpp"
#include <hwy/foreach_target.h>
// After foreach_target, which includes this file once for each instruction set.
#include <hwy/highway.h>

#include <algorithm>

#include "boxcar/kernels/common/simd-inl.h"
#include "boxcar/kernels/pool/max_pool.h"
#include "boxcar/kernels/pool/max_pool_rows.h"

HWY_BEFORE_NAMESPACE();
namespace boxcar::kernels {
namespace HWY_NAMESPACE {
namespace {

std::int64_t pixel(const TensorView& t, int n, int y, int x) { return (std::int64_t{n} * t.h + y) * t.w + x; }

// A place of a window (row * kernel + column) and the pixel there: in x going forward, in dy going back.
struct Tap {
  std::int64_t pixel;
  int place;
};

struct TapList {
  Tap taps[256];
  int count = 0;
  void add(std::int64_t at, int place) { taps[count++] = {at, place}; }
};

template <class D>
HWY_INLINE void store_winners(hn::Vec<hn::RebindToSigned<D>> winners, D, std::uint8_t* to) {
  const hn::Rebind<std::uint8_t, D> d8;
  hn::StoreU(hn::DemoteTo(d8, winners), d8, to);
}

template <class T>
void forward_pixel(const TapList& list, const T* x, std::int64_t ld, std::int64_t channels, T* y,
                   std::uint8_t* winners) {
  for_short_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    auto best = load(d, x + list.taps[0].pixel * ld + c);
    auto winner = hn::Set(di, list.taps[0].place);
    for (int i = 1; i < list.count; ++i) {
      const auto value = load(d, x + list.taps[i].pixel * ld + c);
      const auto wins = hn::Or(hn::Gt(value, best), hn::IsNaN(value));  // a NaN wins and stays
      best = hn::IfThenElse(wins, value, best);
      winner = hn::IfThenElse(hn::RebindMask(di, wins), hn::Set(di, list.taps[i].place), winner);
    }
    store(best, d, y + c);
    if (winners) store_winners(winner, d, winners + c);
  });
}

template <class T>
void backward_pixel(const TapList& list, const MaxPoolBackwardArgs& args, T* dx) {
  const T* dy = args.dy.as<const T>();
  const std::int64_t channels = args.dy.c;
  for_short_vectors(channels, [&](auto d, std::int64_t c) HWY_ATTR {
    const hn::RebindToSigned<decltype(d)> di;
    const hn::Rebind<std::uint8_t, decltype(d)> d8;
    auto sum = args.mode == GradMode::kAdd ? load(d, dx + c) : hn::Zero(d);
    for (int i = 0; i < list.count; ++i) {
      const Tap& tap = list.taps[i];
      const auto winner = hn::PromoteTo(di, hn::LoadU(d8, args.winners + tap.pixel * channels + c));
      const auto mine = hn::RebindMask(d, hn::Eq(winner, hn::Set(di, tap.place)));
      sum = hn::Add(sum, hn::IfThenElseZero(mine, load(d, dy + tap.pixel * args.dy.ld + c)));
    }
    store(sum, d, dx + c);
  });
}

template <class T>
void forward_row(const MaxPoolForwardArgs& args, int n, int oy) {
  const int k = args.options.kernel, top = oy * args.options.stride - args.options.padding;
  for (int ox = 0; ox < args.y.w; ++ox) {
    const int left = ox * args.options.stride - args.options.padding;
    TapList list;
    for (int ky = std::max(0, -top); ky < std::min(k, args.x.h - top); ++ky) {
      for (int kx = std::max(0, -left); kx < std::min(k, args.x.w - left); ++kx) {
        list.add(pixel(args.x, n, top + ky, left + kx), ky * k + kx);
      }
    }
    const std::int64_t out = pixel(args.y, n, oy, ox);
    forward_pixel(list, args.x.as<const T>(), args.x.ld, args.x.c, args.y.as<T>() + out * args.y.ld,
                  args.winners ? args.winners + out * args.y.c : nullptr);
  }
}

// The windows that hold pixel (iy, ix), in row-major order of their places.
template <class T>
void backward_row(const MaxPoolBackwardArgs& args, int n, int iy) {
  const int k = args.options.kernel, s = args.options.stride, p = args.options.padding;
  for (int ix = 0; ix < args.dx.w; ++ix) {
    TapList list;
    for (int ky = k - 1; ky >= 0; --ky) {
      const int y = iy + p - ky;
      if (y < 0 || y % s != 0 || y / s >= args.dy.h) continue;
      for (int kx = k - 1; kx >= 0; --kx) {
        const int x = ix + p - kx;
        if (x >= 0 && x % s == 0 && x / s < args.dy.w) list.add(pixel(args.dy, n, y / s, x / s), ky * k + kx);
      }
    }
    backward_pixel(list, args, args.dx.as<T>() + pixel(args.dx, n, iy, ix) * args.dx.ld);
  }
}

}  // namespace

void pool_forward_row(const MaxPoolForwardArgs& args, int n, int oy) {
  args.x.dtype == DType::kF32 ? forward_row<float>(args, n, oy) : forward_row<bfloat16>(args, n, oy);
}

void pool_backward_row(const MaxPoolBackwardArgs& args, int n, int iy) {
  args.dx.dtype == DType::kF32 ? backward_row<float>(args, n, iy) : backward_row<bfloat16>(args, n, iy);
}

}  // namespace HWY_NAMESPACE
}  // namespace boxcar::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace boxcar::kernels {

HWY_EXPORT(pool_forward_row);
HWY_EXPORT(pool_backward_row);

void cpu::max_pool_forward_row(const MaxPoolForwardArgs& args, int n, int oy) {
  HWY_DYNAMIC_DISPATCH(pool_forward_row)(args, n, oy);
}

void cpu::max_pool_backward_row(const MaxPoolBackwardArgs& args, int n, int iy) {
  HWY_DYNAMIC_DISPATCH(pool_backward_row)(args, n, iy);
}

}  // namespace boxcar::kernels
#endif
