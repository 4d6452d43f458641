#include "boxcar/kernels/conv/depthwise_taps.h"

#include <memory_resource>
#include <span>
#include <vector>

namespace boxcar::kernels::cpu {
namespace {

constexpr std::int64_t kRowsPerPart = 8;

void write(std::span<const float> sums, std::int64_t first, std::int64_t count, GradMode mode, float* to) {
  for (std::int64_t i = 0; i < count; ++i) {
    to[i] = (mode == GradMode::kAdd ? to[i] : 0.0f) + sums[static_cast<std::size_t>(first + i)];
  }
}

}  // namespace

void sum_weight_grads(Stream& stream, const ConvBackwardWeightArgs& args,
                      FunctionRef<void(int n, int oy, float* sums)> add_row) {
  const std::int64_t rows = std::int64_t{args.dy.n} * args.dy.h;
  const std::int64_t parts = (rows + kRowsPerPart - 1) / kRowsPerPart;
  const std::int64_t weights = std::int64_t{args.options.kernel} * args.options.kernel * args.x.c;
  const std::int64_t width = weights + args.x.c;
  std::pmr::vector<float> sums(static_cast<std::size_t>(parts * width), stream.scratch());
  parallel_for(stream.threads(), parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin * kRowsPerPart; row < std::min(rows, end * kRowsPerPart); ++row) {
      add_row(static_cast<int>(row / args.dy.h), static_cast<int>(row % args.dy.h),
              sums.data() + row / kRowsPerPart * width);
    }
  });
  std::pmr::vector<float> total(static_cast<std::size_t>(width), stream.scratch());
  for (std::int64_t part = 0; part < parts; ++part) {
    for (std::int64_t i = 0; i < width; ++i) total[i] += sums[static_cast<std::size_t>(part * width + i)];
  }
  write(total, 0, weights, args.mode, args.dw.as());
  if (args.dbias) write(total, weights, args.x.c, args.mode, args.dbias);
}

}  // namespace boxcar::kernels::cpu
