#include "boxcar/kernels/optim/flat_blocks.h"

#include <algorithm>

#include "boxcar/kernels/optim/coefficients.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::kernels {
namespace {

// A CPU core works through 64 KB of each buffer at a time; a GPU wants many small blocks, of four vectors a thread.
std::int64_t block_elements(Device device) { return device.is_cuda() ? 1 << 12 : 1 << 14; }

std::vector<UpdateRange> of_one_group(std::span<const FlatRange> ranges) {
  std::vector<UpdateRange> out;
  for (const FlatRange& r : ranges) out.push_back({r, 0});
  return out;
}

Tensor bytes(Stream& stream, std::size_t rows, std::size_t row_bytes) {
  return Tensor::empty(stream, {1, 1, static_cast<int>(rows), static_cast<int>(row_bytes)}, DType::kU8);
}

}  // namespace

FlatBlocks::FlatBlocks(Stream& stream, std::span<const UpdateRange> ranges) {
  std::vector<FlatBlock> blocks;
  const std::int64_t most = block_elements(stream.device());
  for (const UpdateRange& r : ranges) {
    if (r.group != kAverageOnly && (r.group < 0 || r.group >= StepCoefficients::kMaxGroups)) {
      fail<ArgumentError>("a range is of parameter group {}, but there are at most {}", r.group,
                          StepCoefficients::kMaxGroups);
    }
    for (std::int64_t at = 0; at < r.range.count; at += most) {
      const auto count = static_cast<std::int32_t>(std::min(most, r.range.count - at));
      blocks.push_back({r.range.offset + at, count, r.group});
      elements_ += count;
      updates_ = updates_ || r.group != kAverageOnly;
    }
  }
  count_ = static_cast<std::int64_t>(blocks.size());
  blocks_ = bytes(stream, blocks.size(), sizeof(FlatBlock));
  sums_ = bytes(stream, blocks.size(), sizeof(double));
  stream.copy(blocks_.view().data, blocks.data(), blocks.size() * sizeof(FlatBlock));
  stream.synchronize();
}

FlatBlocks::FlatBlocks(Stream& stream, std::span<const FlatRange> ranges) : FlatBlocks(stream, of_one_group(ranges)) {}

}  // namespace boxcar::kernels
