// An epoch's losses, which are numbers on the device, without making it wait.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "boxcar/runtime/device/event.h"
#include "boxcar/runtime/memory/host_buffer.h"
#include "boxcar/trainers/engine/options.h"
#include "boxcar/trainers/engine/train_step.h"

namespace boxcar {

/// Means over the batches so far. On a GPU they are some steps behind, unless asked to wait; on the CPU never.
class EpochLosses {
 public:
  EpochLosses(Stream& stream, std::size_t items) : stream_(stream), means_(items) {}

  /// Begins an epoch: all means are 0.
  void start();
  /// The loss of the number-th batch, from 0 on. At most kMost are on their way: waits for the oldest when there are
  /// more.
  void send(int number, const TrainStep::DeviceLoss& loss);
  /// Of the items, over the batches that have arrived; with Wait::yes, over all that were sent.
  const std::vector<double>& means(Wait wait);
  /// Whether the last total that arrived is a finite number.
  bool finite() const { return finite_; }

 private:
  static constexpr std::size_t kMost = 16;
  struct Copy {
    explicit Copy(Device device) : done(device) {}
    int number = 0;
    std::size_t count = 0;  // numbers: the total, then the items
    HostBuffer host{};
    StreamEvent done;
  };

  void take(const Copy& copy);

  Stream& stream_;
  std::deque<Copy> under_way_;
  std::vector<Copy> free_;
  std::vector<double> means_;
  bool finite_ = true;
};

}  // namespace boxcar
