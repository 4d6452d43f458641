#include "boxcar/trainers/engine/batch_upload.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "boxcar/kernels/render/to_float.h"
#include "boxcar/trainers/engine/batches.h"

namespace boxcar {
namespace {

constexpr std::size_t kSlots = 2;
constexpr std::size_t kMostPlaces = 4;
constexpr unsigned kLeastRows = 64;
constexpr std::size_t kAlignment = 256;

constexpr std::array<float, 6> kPadding{-1, 0, 0, 0, 0, 0};

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int rows_for(std::size_t boxes) { return static_cast<int>(std::bit_ceil(std::max<std::size_t>(boxes, kLeastRows))); }

}  // namespace

BatchUpload::BatchUpload(Stream& stream) : stream_(stream) {
  if (!stream.device().is_cuda()) return;
  copies_ = std::make_unique<Stream>(stream.device());
  for (std::size_t i = 0; i < kSlots; ++i) slots_.emplace_back(stream.device());
}

Batch BatchUpload::operator()(const HostBatch& host) { return copies_ ? upload(host) : to_device(stream_, host); }

Batch BatchUpload::upload(const HostBatch& host) {
  Slot& slot = slots_[next_++ % kSlots];
  const Shape shape = host.images.shape();
  const auto image_bytes = static_cast<std::size_t>(shape.count());
  const int rows = rows_for(host.boxes.size());
  stage(slot, host, image_bytes, rows);
  const Batch& batch = place_for(shape, rows);
  stream_.wait(slot.copied);
  auto* const bytes = slot.device.as<std::byte>();
  const TensorView images{bytes, DType::kU8, shape.n, shape.h, shape.w, shape.c, shape.c};
  kernels::images_to_float(stream_, {images, batch.images});
  stream_.copy(batch.targets.view().data, bytes + aligned(image_bytes), sizeof(kPadding) * static_cast<unsigned>(rows));
  slot.read.record(stream_);
  return batch;
}

// Into page-locked memory, and from there to the device.
void BatchUpload::stage(Slot& slot, const HostBatch& host, std::size_t image_bytes, int rows) {
  const std::size_t boxes_at = aligned(image_bytes);
  const std::size_t bytes = boxes_at + sizeof(kPadding) * static_cast<std::size_t>(rows);
  slot.copied.synchronize();
  if (slot.host.size() < bytes) {
    slot.host = HostBuffer(stream_.device(), bytes);
    stream_.synchronize();  // the old buffer is being read
    slot.device = Tensor::empty(stream_, {1, 1, static_cast<int>(aligned(bytes) / kAlignment), kAlignment}, DType::kU8);
  }
  auto* const to = slot.host.as<std::byte>();
  std::memcpy(to, host.images.view().data, image_bytes);
  std::ranges::copy(std::as_bytes(std::span(host.boxes)), to + boxes_at);  // there may be none
  for (std::size_t row = host.boxes.size(); row < static_cast<std::size_t>(rows); ++row) {
    std::memcpy(to + boxes_at + row * sizeof(kPadding), kPadding.data(), sizeof(kPadding));
  }
  copies_->wait(slot.read);
  copies_->copy(slot.device.view().data, to, bytes);
  slot.copied.record(*copies_);
}

const Batch& BatchUpload::place_for(Shape images, int rows) {
  const auto found = std::ranges::find_if(
      places_, [&](const Batch& b) { return b.images.shape() == images && b.targets.view().w == rows; });
  if (found != places_.end()) {
    places_.splice(places_.begin(), places_, found);
  } else {
    if (places_.size() == kMostPlaces) places_.pop_back();
    places_.push_front({Tensor::empty(stream_, images), Tensor::empty(stream_, {1, 1, rows, 6})});
  }
  return places_.front();
}

}  // namespace boxcar
