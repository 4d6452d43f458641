// Ranges of flat buffers cut into blocks of bounded size: units of work, and of summation.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory_resource>
#include <span>
#include <vector>

#include "boxcar/kernels/optim/optim.h"

namespace boxcar::kernels {

inline constexpr std::int64_t kFlatBlock = 1 << 14;  // elements: 64 KB of each buffer

/// A piece of ranges[range].
struct FlatBlock {
  std::int64_t offset = 0, count = 0;
  int range = 0;
};

/// range_of(ranges[i]) is a FlatRange. Order and borders follow from the ranges alone.
template <class T, class F>
std::pmr::vector<FlatBlock> flat_blocks(Stream& stream, std::span<const T> ranges, F&& range_of) {
  std::pmr::vector<FlatBlock> blocks(stream.scratch());
  for (int i = 0; i < static_cast<int>(ranges.size()); ++i) {
    const FlatRange r = range_of(ranges[i]);
    for (std::int64_t at = 0; at < r.count; at += kFlatBlock) {
      blocks.push_back({r.offset + at, std::min(kFlatBlock, r.count - at), i});
    }
  }
  return blocks;
}

inline std::pmr::vector<FlatBlock> flat_blocks(Stream& stream, std::span<const FlatRange> ranges) {
  return flat_blocks(stream, ranges, [](const FlatRange& r) { return r; });
}

}  // namespace boxcar::kernels
