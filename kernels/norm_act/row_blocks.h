// Rows of a tensor in blocks whose size follows from the shape alone, so that sums over them
// have the same order whatever the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

namespace boxcar::kernels {

class RowBlocks {
 public:
  /// About 64 KB of f32 a block: it stays in the second-level cache between two passes.
  RowBlocks(std::int64_t rows, std::int64_t channels)
      : total_(rows), rows_(std::max<std::int64_t>(16, (1 << 14) / std::max<std::int64_t>(channels, 1))) {}

  std::int64_t count() const { return (total_ + rows_ - 1) / rows_; }
  std::int64_t rows() const { return rows_; }
  std::int64_t begin(std::int64_t block) const { return block * rows_; }
  std::int64_t end(std::int64_t block) const { return std::min(total_, (block + 1) * rows_); }

 private:
  std::int64_t total_, rows_;
};

}  // namespace boxcar::kernels
