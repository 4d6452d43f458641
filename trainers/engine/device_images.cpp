#include "boxcar/trainers/engine/device_images.h"

namespace boxcar {

DeviceImages::DeviceImages(Stream& stream, std::size_t image_bytes, std::size_t places)
    : image_bytes_(image_bytes),
      memory_(Tensor::empty(stream, {1, static_cast<int>(places), 1, static_cast<int>(image_bytes)}, DType::kU8)) {
  for (std::size_t i = places; i-- > 0;) free_.push_back(memory_.as<std::uint8_t>() + i * image_bytes);
}

DeviceImages::Place DeviceImages::place_of(std::size_t index, std::size_t bytes) {
  if (const auto found = known_.find(index); found != known_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    recent_.front().batch = batch_;
    return {recent_.front().pixels, false};
  }
  std::uint8_t* const pixels = bytes <= image_bytes_ ? free_place() : nullptr;
  if (!pixels) return {};
  recent_.push_front({index, pixels, batch_});
  known_[index] = recent_.begin();
  return {pixels, true};
}

std::uint8_t* DeviceImages::free_place() {
  if (free_.empty()) {
    if (recent_.empty() || recent_.back().batch == batch_) return nullptr;
    free_.push_back(recent_.back().pixels);
    known_.erase(recent_.back().index);
    recent_.pop_back();
  }
  std::uint8_t* const pixels = free_.back();
  free_.pop_back();
  return pixels;
}

}  // namespace boxcar
