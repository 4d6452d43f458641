// Images of a data set, resized on load and kept in memory as far as they may.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>

#include "boxcar/data/dataset/sample.h"
#include "boxcar/data/image/resize.h"
#include "boxcar/runtime/base/log.h"

namespace boxcar {

/// A sample after the resize on load.
struct LoadedImage {
  std::size_t index = 0;  // in the data set
  std::filesystem::path path;
  Image image;  // longer side imgsz, blue-green-red
  ResizedSize original;
  std::vector<BoxLabel> labels;
  std::vector<Polygon> polygons;  // one a label, or none
  ResizedSize size() const { return {image.height, image.width}; }
};

/// Thread-safe. What get() returns never depends on what is kept.
class ImageStore {
 public:
  static constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

  /// Keeps the most recently used images up to `capacity` bytes of pixels.
  ImageStore(std::shared_ptr<const Dataset> dataset, int imgsz, std::size_t capacity, Log log);

  std::size_t size() const { return count_; }

  /// Image `index`. One that can no longer be read (DataError, IoError) is replaced by the next readable
  /// one, for good, and named once in a warning. Throws DataError if none is left.
  std::shared_ptr<const LoadedImage> get(std::size_t index);

  /// Reads all images, in `threads` threads (at least one).
  void load_all(int threads);

  /// Bytes that all images would take, from the sizes of some of them.
  std::size_t estimated_bytes() const;

  std::int64_t hits() const { return hits_; }
  std::int64_t misses() const { return misses_; }

 private:
  using Entry = std::shared_ptr<const LoadedImage>;

  Entry find(std::size_t index);
  Entry load(std::size_t index) const;
  void keep(const Entry& entry);
  bool is_unreadable(std::size_t index) const;
  void mark_unreadable(std::size_t index, const char* why);

  std::shared_ptr<const Dataset> dataset_;
  int imgsz_;
  std::size_t count_, capacity_;
  Log log_;
  mutable std::mutex mutex_;
  std::list<Entry> recent_;  // most recently used first
  std::unordered_map<std::size_t, std::list<Entry>::iterator> kept_;
  std::size_t bytes_ = 0;
  std::set<std::size_t> unreadable_;
  std::atomic<std::int64_t> hits_ = 0, misses_ = 0;
};

/// Memory that the system could give out at this moment; 0 if it does not say.
std::size_t available_memory_bytes();

}  // namespace boxcar
