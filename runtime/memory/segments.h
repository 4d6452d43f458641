// Pieces of memory that are cut up as parts are asked for, and grow together again.
#pragma once

#include <cstddef>
#include <vector>

namespace boxcar {

/// Keeps account and touches no memory. Not thread-safe.
class Segments {
 public:
  struct Range {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    std::byte* end() const { return begin + bytes; }
  };

  /// A new segment, all of it free.
  void add(Range segment);
  /// Cut from the smallest free range that is large enough, from the lowest of equals; null if there is none.
  void* take(std::size_t bytes);
  /// What take(bytes) returned is free again, as one range with its free neighbours in the segment.
  void give_back(void* data, std::size_t bytes);
  /// Removes the segments that are free altogether and returns them.
  std::vector<Range> remove_free();
  /// Of all segments.
  std::size_t bytes() const { return bytes_; }

 private:
  bool same_segment(const Range& left, const Range& right) const;

  std::vector<Range> segments_, free_;  // by address
  std::size_t bytes_ = 0;
};

}  // namespace boxcar
