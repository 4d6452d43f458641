// Training batches on their way to the device, beside the step before.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "boxcar/data/loader/batch.h"
#include "boxcar/nn/model/batch.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/memory/host_buffer.h"
#include "boxcar/trainers/engine/device_images.h"

namespace boxcar {

/// On a GPU batches are copied by a stream of their own from page-locked memory, while the step before is still
/// running; the host waits for nothing but the copy of the last batch but one. Batches of one shape then lie at the
/// same place, and their tables of boxes have a power of two rows (of padding, image -1, behind the boxes), so that a
/// step can be recorded. Pictures that are only planned are rendered there, from images of which up to 1 GiB stay: of
/// those a batch sends only what is new. On the CPU this is to_device().
class BatchUpload {
 public:
  /// How much memory images of a data set take that stay, at most side x side pixels each.
  static std::size_t kept_bytes(std::size_t data_set_images, int side);
  /// data_set_images: how many there are to keep.
  BatchUpload(Stream& stream, std::size_t data_set_images);
  /// Valid until the next call. The host's batch is not needed afterwards.
  Batch operator()(const HostBatch& host);

 private:
  /// What one batch needs on its way.
  struct Slot {
    explicit Slot(Device device) : copied(device), read(device) {}
    HostBuffer host{};
    Tensor device{};  // bytes: the boxes, then the pictures; or the plans and the images that do not stay
    StreamEvent copied, read;
  };
  /// Where an image of a plan is in the slot's host memory, and where it goes.
  struct Route {
    std::size_t from = 0;
    std::uint8_t* to = nullptr;  // null: to the same offset of the slot's device memory
    bool is_sent = true;         // false: it is there
  };
  struct Routes {
    std::vector<Route> images;
    std::size_t mirrored = 0, staged = 0;  // ends of what goes to the slot's device memory, and of all
  };

  Batch upload(const HostBatch& host);
  void send_pictures(Slot& slot, const HostBatch& host, const Batch& to);
  void send_plans(Slot& slot, const HostBatch& host, const Batch& to);
  Routes route_images(const std::vector<PlannedImage>& images, Shape pictures, std::size_t at);
  void make_room(Slot& slot, std::size_t on_device, std::size_t on_host);
  const Batch& place_for(Shape images, int rows);

  Stream& stream_;
  std::size_t data_set_images_;
  std::unique_ptr<Stream> copies_;  // CUDA only
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  std::list<Batch> places_;  // where batches of one shape lie; latest used first
  std::unique_ptr<DeviceImages> kept_;
};

}  // namespace boxcar
