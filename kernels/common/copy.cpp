#include "boxcar/kernels/common/copy.h"

#include <algorithm>
#include <type_traits>

#include "boxcar/kernels/common/dispatch.h"
#include "boxcar/kernels/common/rows.h"
#include "boxcar/runtime/parallel/parallel_for.h"

namespace boxcar::kernels {
namespace cpu {
namespace {

template <class From, class To>
void copy_elements(const From* from, std::int64_t count, To* to) {
  if constexpr (std::is_same_v<From, To>) {
    std::copy_n(from, count, to);
  } else {
    for (std::int64_t i = 0; i < count; ++i) to[i] = To(float(from[i]));
  }
}

}  // namespace

void copy(Stream& stream, const CopyArgs& args) {
  with_float_type("copy", args.from.dtype, [&]<class From>(From) {
    with_float_type("copy", args.to.dtype, [&]<class To>(To) {
      const auto from = rows_of<const From>(args.from);
      const auto to = rows_of<To>(args.to);
      parallel_for(stream.threads(), args.from.pixels(), 256, [&](std::int64_t begin, std::int64_t end) {
        if (std::is_same_v<From, To> && args.from.packed() && args.to.packed()) {
          copy_elements(from.row(begin), (end - begin) * args.from.c, to.row(begin));
          return;
        }
        for (std::int64_t r = begin; r < end; ++r) copy_elements(from.row(r), args.from.c, to.row(r));
      });
    });
  });
}

}  // namespace cpu

void copy(Stream& stream, const CopyArgs& args) {
  check_same_shape("copy", args.from, args.to);
  BOXCAR_DISPATCH_CPU(stream, copy, args);
}

}  // namespace boxcar::kernels
