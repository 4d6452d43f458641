// Training batches on their way to the device, beside the step before.
#pragma once

#include <list>
#include <memory>
#include <vector>

#include "boxcar/data/loader/batch.h"
#include "boxcar/nn/model/batch.h"
#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/memory/host_buffer.h"

namespace boxcar {

/// On a GPU batches are copied by a stream of their own from page-locked memory, while the step before is still
/// running; the host waits for nothing but the copy of the last batch but one. Batches of one shape then lie at the
/// same place, and their tables of boxes have a power of two rows (of padding, image -1, behind the boxes), so that a
/// step can be recorded. On the CPU this is to_device().
class BatchUpload {
 public:
  explicit BatchUpload(Stream& stream);
  /// Valid until the next call. The host's batch is not needed afterwards.
  Batch operator()(const HostBatch& host);

 private:
  /// What one batch needs on its way.
  struct Slot {
    explicit Slot(Device device) : copied(device), read(device) {}
    HostBuffer host{};
    Tensor device{};  // bytes: the images, then the boxes
    StreamEvent copied, read;
  };
  Batch upload(const HostBatch& host);
  void stage(Slot& slot, const HostBatch& host, std::size_t image_bytes, int rows);
  const Batch& place_for(Shape images, int rows);

  Stream& stream_;
  std::unique_ptr<Stream> copies_;  // CUDA only
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
  std::list<Batch> places_;  // where batches of one shape lie; latest used first
};

}  // namespace boxcar
