// Rules of the modules that read several layers.
#include <fmt/core.h>

#include <algorithm>
#include <numeric>

#include "boxcar/nn/model/module_rules.h"

namespace boxcar::model {
namespace {

constexpr int kImageSize = 256;

std::vector<int> strides_of(const Row& row, const Arguments& args) {
  std::vector<int> strides;
  for (std::size_t level = 0; level < row.in_sizes.size(); ++level) {
    const int size = row.in_sizes[level];
    if (size > kImageSize || kImageSize % size != 0) {
      args.refuse(fmt::format(
          "gets a map of {0} x {0} in level {1} for an image of {2} x {2}, which is no whole stride; check the "
          "strides and paddings before it",
          size, level, kImageSize));
    }
    strides.push_back(kImageSize / size);
  }
  return strides;
}

}  // namespace

Built build_concat(const Row& row, const Arguments& args) {
  if (args.integer(0, 1, 0, 3) != 1) args.refuse(0, "1, the channels");
  for (std::size_t i = 1; i < row.in_sizes.size(); ++i) {
    if (row.in_sizes[i] == row.in_sizes[0]) continue;
    args.refuse(fmt::format(
        "joins maps of different size, {0} x {0} and {1} x {1} for an image of 256 x 256; resample one of them "
        "first",
        row.in_sizes[0], row.in_sizes[i]));
  }
  const auto sum = std::accumulate(row.in_channels.begin(), row.in_channels.end(), std::int64_t{0});
  if (sum > kMaxChannels) args.refuse(fmt::format("gives {} channels, but {} are the limit", sum, kMaxChannels));
  return {ConcatSpec{}, static_cast<int>(sum)};
}

Built build_detect(const Row& row, const Arguments& args) {
  const int nc = row.model.nc;
  if (args.size() != 1 || args.integer(0, 0, 1, kMaxClasses) != nc) {
    args.refuse(fmt::format("must have the model's number of classes, {}, as its argument; write [nc]", nc));
  }
  DetectSpec head{.nc = nc, .reg_max = row.model.reg_max, .legacy = row.legacy, .channels = row.in_channels};
  head.strides = strides_of(row, args);
  const int finest = head.channels.front();
  head.box_width = std::max({16, finest / 4, 4 * head.reg_max});
  head.class_width = std::max(finest, std::min(nc, 100));
  return {head, 0};
}

}  // namespace boxcar::model
