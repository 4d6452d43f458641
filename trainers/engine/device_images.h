// Images of the data set in a GPU's memory, for pictures that are rendered there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <unordered_map>
#include <vector>

#include "boxcar/runtime/tensor/tensor.h"

namespace boxcar {

/// Places of one size in one block of memory, for the images used last.
class DeviceImages {
 public:
  /// `places` images of up to `image_bytes`. Throws OutOfMemory.
  DeviceImages(Stream& stream, std::size_t image_bytes, std::size_t places);

  struct Place {
    std::uint8_t* pixels = nullptr;  // null: no place for it
    bool is_new = false;             // the pixels are still to be copied there
  };
  /// What place_of() hands out from here on is not taken away before the next call.
  void begin_batch() { ++batch_; }
  /// The place of image `index`; if need be, that of the image which has not been asked for the longest.
  Place place_of(std::size_t index, std::size_t bytes);

 private:
  struct Entry {
    std::size_t index;
    std::uint8_t* pixels;
    std::int64_t batch;  // that asked for it last
  };
  std::uint8_t* free_place();

  std::size_t image_bytes_;
  Tensor memory_;
  std::vector<std::uint8_t*> free_;
  std::list<Entry> recent_;  // asked for last first
  std::unordered_map<std::size_t, std::list<Entry>::iterator> known_;
  std::int64_t batch_ = 0;
};

}  // namespace boxcar
