// Ranges of flat buffers cut into blocks of bounded size: units of work, and of summation.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "boxcar/runtime/device/stream.h"
#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar::kernels {

/// Elements offset .. offset + count - 1 of the flat buffers.
struct FlatRange {
  std::int64_t offset = 0, count = 0;
};

/// The group of ranges that are averaged and not updated.
inline constexpr int kAverageOnly = -1;

/// One group's elements.
struct UpdateRange {
  FlatRange range{};
  int group = 0;  // of StepCoefficients, or kAverageOnly
};

/// A piece of one range.
struct FlatBlock {
  std::int64_t offset = 0;
  std::int32_t count = 0, group = 0;
};

/// The table of blocks, on the stream's device, with room for one number a block: made once, before the first step.
/// Order and borders of the blocks follow from the ranges and the kind of device alone.
class FlatBlocks {
 public:
  FlatBlocks() = default;
  /// The ranges must not overlap. Throws ArgumentError for a group out of range.
  FlatBlocks(Stream& stream, std::span<const UpdateRange> ranges);
  /// All of group 0.
  FlatBlocks(Stream& stream, std::span<const FlatRange> ranges);

  std::int64_t count() const { return count_; }
  /// Over all blocks.
  std::int64_t elements() const { return elements_; }
  /// Whether any block is updated, not averaged only.
  bool updates() const { return updates_; }
  const FlatBlock* data() const { return blocks_.as<const FlatBlock>(); }
  double* sums() const { return sums_.as<double>(); }

 private:
  Tensor blocks_{}, sums_{};
  std::int64_t count_ = 0, elements_ = 0;
  bool updates_ = false;
};

}  // namespace boxcar::kernels
