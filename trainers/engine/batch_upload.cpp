#include "boxcar/trainers/engine/batch_upload.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <span>

#include "boxcar/kernels/render/render_table.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/trainers/engine/batches.h"

namespace boxcar {
namespace {

constexpr std::size_t kSlots = 2;
constexpr std::size_t kMostPlaces = 4;
constexpr unsigned kLeastRows = 64;
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kKeptBytes = std::size_t{1} << 30;  // of images; as much as partners of a mosaic come from

constexpr std::array<float, 6> kPadding{-1, 0, 0, 0, 0, 0};

std::size_t aligned(std::size_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

int rows_for(std::size_t boxes) { return static_cast<int>(std::bit_ceil(std::max<std::size_t>(boxes, kLeastRows))); }
std::size_t table_bytes(const Batch& batch) {
  return sizeof(kPadding) * static_cast<std::size_t>(batch.targets.view().w);
}

std::size_t place_bytes(int side) {
  const auto pixels = static_cast<std::size_t>(side);
  return aligned(3 * pixels * pixels);
}
std::size_t places_for(std::size_t images, int side) { return std::min(images, kKeptBytes / place_bytes(side)); }

void write_boxes(const HostBatch& host, std::size_t table, std::byte* to) {
  std::ranges::copy(std::as_bytes(std::span(host.boxes)), to);  // there may be none
  for (std::size_t at = host.boxes.size() * sizeof(kPadding); at < table; at += sizeof(kPadding)) {
    std::memcpy(to + at, kPadding.data(), sizeof(kPadding));
  }
}

}  // namespace

std::size_t BatchUpload::kept_bytes(std::size_t data_set_images, int side) {
  return places_for(data_set_images, side) * place_bytes(side);
}

BatchUpload::BatchUpload(Stream& stream, std::size_t data_set_images)
    : stream_(stream), data_set_images_(data_set_images) {
  if (!stream.device().is_cuda()) return;
  copies_ = std::make_unique<Stream>(stream.device());
  for (std::size_t i = 0; i < kSlots; ++i) slots_.emplace_back(stream.device());
}

Batch BatchUpload::operator()(const HostBatch& host) { return copies_ ? upload(host) : to_device(stream_, host); }

Batch BatchUpload::upload(const HostBatch& host) {
  Slot& slot = slots_[next_ % kSlots];
  const Batch& batch = place_for(host.shape, rows_for(host.boxes.size()));
  slot.copied.synchronize();
  copies_->wait(slot.read);
  host.images ? send_pictures(slot, host, batch) : send_plans(slot, host, batch);
  stream_.copy(batch.targets.view().data, slot.device.view().data, table_bytes(batch));
  slot.read.record(stream_);
  ++next_;
  return batch;
}

void BatchUpload::send_pictures(Slot& slot, const HostBatch& host, const Batch& to) {
  const std::size_t at = aligned(table_bytes(to));
  const auto bytes = static_cast<std::size_t>(host.shape.count());
  make_room(slot, at + bytes, at + bytes);
  auto* const staged = slot.host.as<std::byte>();
  write_boxes(host, table_bytes(to), staged);
  std::memcpy(staged + at, host.images.view().data, bytes);
  copies_->copy(slot.device.view().data, staged, at + bytes);
  slot.copied.record(*copies_);
  stream_.wait(slot.copied);
  TensorView images = host.images;
  images.data = slot.device.as<std::byte>() + at;
  kernels::images_to_float(stream_, {images, to.images});
}

void BatchUpload::send_plans(Slot& slot, const HostBatch& host, const Batch& to) {
  const std::vector<PlannedImage>& images = host.planned.images;
  std::vector<kernels::SourceImage> sources = host_sources(images);
  kernels::RenderArgs render{host.planned.plans, sources, to.images};
  const std::size_t plans_at = aligned(table_bytes(to)), plan_bytes = kernels::render_table_bytes(render);
  const Routes routes = route_images(images, host.shape, plans_at + aligned(plan_bytes));
  make_room(slot, routes.mirrored, routes.staged);
  auto* const staged = slot.host.as<std::byte>();
  auto* const mirror = slot.device.as<std::byte>();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Route& route = routes.images[i];
    if (route.is_sent) std::memcpy(staged + route.from, images[i].image->pixels.data(), images[i].image->pixels.size());
    sources[i].pixels = route.to ? route.to : reinterpret_cast<std::uint8_t*>(mirror + route.from);
  }
  write_boxes(host, table_bytes(to), staged);
  kernels::write_render_table(render, {staged + plans_at, plan_bytes});
  copies_->copy(mirror, staged, routes.mirrored);
  copies_->wait(slots_[(next_ + 1) % kSlots].read);  // the batch before may show what gives way
  for (std::size_t i = 0; i < images.size(); ++i) {
    const Route& route = routes.images[i];
    if (route.to && route.is_sent) copies_->copy(route.to, staged + route.from, images[i].image->pixels.size());
  }
  slot.copied.record(*copies_);
  stream_.wait(slot.copied);
  kernels::render(stream_, kernels::render_args_at(mirror + plans_at, render));
}

// Images that stay go behind those that do not.
BatchUpload::Routes BatchUpload::route_images(const std::vector<PlannedImage>& images, Shape pictures, std::size_t at) {
  if (!kept_) {
    const int side = std::max(pictures.h, pictures.w);
    stream_.synchronize();  // `copies_` writes to memory that earlier work may have used
    kept_ = std::make_unique<DeviceImages>(stream_, place_bytes(side), places_for(data_set_images_, side));
  }
  kept_->begin_batch();
  Routes routes{std::vector<Route>(images.size()), at, at};
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::size_t bytes = images[i].image->pixels.size();
    if (images[i].index) {
      const DeviceImages::Place place = kept_->place_of(*images[i].index, bytes);
      routes.images[i] = {0, place.pixels, !place.pixels || place.is_new};
    }
    if (routes.images[i].to) continue;
    routes.images[i].from = routes.mirrored;
    routes.mirrored += aligned(bytes);
  }
  routes.staged = routes.mirrored;
  for (std::size_t i = 0; i < images.size(); ++i) {
    if (!routes.images[i].to || !routes.images[i].is_sent) continue;
    routes.images[i].from = routes.staged;
    routes.staged += aligned(images[i].image->pixels.size());
  }
  return routes;
}

void BatchUpload::make_room(Slot& slot, std::size_t on_device, std::size_t on_host) {
  if (slot.host.size() < on_host) slot.host = HostBuffer(stream_.device(), on_host);
  if (slot.device && static_cast<std::size_t>(slot.device.count()) >= on_device) return;
  stream_.synchronize();  // the old buffer is being read
  slot.device =
      Tensor::empty(stream_, {1, 1, static_cast<int>(aligned(on_device) / kAlignment), kAlignment}, DType::kU8);
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
