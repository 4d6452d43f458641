#include "boxcar/runtime/memory/segments.h"

#include <algorithm>
#include <functional>

namespace boxcar {
namespace {

using Range = Segments::Range;

bool below(const Range& a, const Range& b) { return std::less<>()(a.begin, b.begin); }

/// Inserts in order of addresses.
std::vector<Range>::iterator insert(std::vector<Range>& ranges, const Range& range) {
  return ranges.insert(std::lower_bound(ranges.begin(), ranges.end(), range, below), range);
}

}  // namespace

void Segments::add(Range segment) {
  insert(segments_, segment);
  insert(free_, segment);
  bytes_ += segment.bytes;
}

// A training step leaves some dozens of free ranges: looking at all of them is the fastest way.
void* Segments::take(std::size_t bytes) {
  auto best = free_.end();
  for (auto range = free_.begin(); range != free_.end(); ++range) {
    if (range->bytes >= bytes && (best == free_.end() || range->bytes < best->bytes)) best = range;
  }
  if (best == free_.end()) return nullptr;
  void* data = best->begin;
  best->begin += bytes;
  best->bytes -= bytes;
  if (best->bytes == 0) free_.erase(best);
  return data;
}

void Segments::give_back(void* data, std::size_t bytes) {
  auto range = insert(free_, {static_cast<std::byte*>(data), bytes});
  if (const auto next = range + 1; next != free_.end() && same_segment(*range, *next)) {
    range->bytes += next->bytes;
    free_.erase(next);
  }
  if (range == free_.begin()) return;
  const auto previous = range - 1;
  if (!same_segment(*previous, *range)) return;
  previous->bytes += range->bytes;
  free_.erase(range);
}

/// Whether they touch within a segment: segments that the system put side by side stay apart.
bool Segments::same_segment(const Range& left, const Range& right) const {
  return left.end() == right.begin && !std::binary_search(segments_.begin(), segments_.end(), right, below);
}

std::vector<Range> Segments::remove_free() {
  std::vector<Range> removed;
  const auto all_free = [&](const Range& segment) {
    const auto at = std::lower_bound(free_.begin(), free_.end(), segment, below);
    if (at == free_.end() || at->begin != segment.begin || at->bytes != segment.bytes) return false;
    free_.erase(at);
    removed.push_back(segment);
    bytes_ -= segment.bytes;
    return true;
  };
  std::erase_if(segments_, all_free);
  return removed;
}

}  // namespace boxcar
