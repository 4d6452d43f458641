// Rules of the single layers: convolutions, pooling, resampling.
#include <fmt/core.h>

#include <cmath>
#include <numeric>

#include "boxcar/nn/model/module_rules.h"

namespace boxcar::model {
namespace {

constexpr int kMaxKernel = 255, kMaxStride = 64, kMaxDilation = 64, kMaxFactor = 16;

/// true: the model's activation; false: none. The reference silently takes anything else for false.
kernels::Act activation(const Row& row, const Arguments& args, std::size_t i) {
  return args.strict_truth(i, true) ? row.model.activation : kernels::Act{};
}

}  // namespace

Built build_conv(const Row& row, const Arguments& args) {
  ConvSpec conv{.c1 = row.c1(), .c2 = output_channels(row, args)};
  conv.kernel = args.integer(1, 1, 1, kMaxKernel);
  conv.stride = args.integer(2, 1, 1, kMaxStride);
  conv.groups = args.integer(4, 1, 1, kMaxChannels);
  conv.dilation = args.integer(5, 1, 1, kMaxDilation);
  const int automatic = auto_padding(conv.kernel, conv.dilation);
  conv.padding = args.has(3, true) ? args.integer(3, 0, 0, kMaxKernel * kMaxDilation) : automatic;
  conv.act = activation(row, args, 6);
  check_groups(args, conv.groups, conv.c1, conv.c2);
  return {conv, conv.c2};
}

Built build_dwconv(const Row& row, const Arguments& args) {
  ConvSpec conv{.c1 = row.c1(), .c2 = output_channels(row, args)};
  conv.kernel = args.integer(1, 1, 1, kMaxKernel);
  conv.stride = args.integer(2, 1, 1, kMaxStride);
  conv.dilation = args.integer(3, 1, 1, kMaxDilation);
  conv.padding = auto_padding(conv.kernel, conv.dilation);
  conv.groups = std::gcd(conv.c1, conv.c2);
  conv.act = activation(row, args, 4);
  return {conv, conv.c2};
}

Built build_upsample(const Row& row, const Arguments& args) {
  if (args.has(0, true)) args.refuse(0, "null: a fixed size is not supported, only a scale factor");
  if (!args.has(1, true)) args.refuse("needs a scale factor; write [null, 2, \"nearest\"]");
  if (args.has(2)) {
    const auto* mode = std::get_if<std::string>(&args[2]);
    if (!mode || *mode != "nearest") args.refuse(2, "\"nearest\", the only mode supported");
  }
  const double factor = args.positive(1, 2, kMaxFactor);
  if (factor != std::floor(factor)) args.refuse(1, "a whole number");
  return {UpsampleSpec{static_cast<int>(factor)}, row.c1()};
}

Built build_max_pool(const Row& row, const Arguments& args) {
  if (args.size() == 0) args.refuse("needs a kernel; write [kernel, stride, padding]");
  MaxPoolSpec pool;
  pool.kernel = args.integer(0, 1, 1, kMaxKernel);
  pool.stride = args.has(1, true) ? args.integer(1, 1, 1, kMaxKernel) : pool.kernel;
  pool.padding = args.integer(2, 0, 0, kMaxKernel);
  if (pool.padding > pool.kernel / 2) {
    args.refuse(2, fmt::format("at most half of the kernel, {}", pool.kernel / 2));
  }
  return {pool, row.c1()};
}

Built build_identity(const Row& row, const Arguments&) { return {IdentitySpec{}, row.c1()}; }

}  // namespace boxcar::model
