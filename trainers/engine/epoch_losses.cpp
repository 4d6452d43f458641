#include "boxcar/trainers/engine/epoch_losses.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace boxcar {

void EpochLosses::start() {
  means(Wait::yes);
  std::ranges::fill(means_, 0.0);
}

void EpochLosses::send(int number, const TrainStep::DeviceLoss& loss) {
  if (under_way_.size() >= kMost) under_way_.front().done.synchronize();
  means(Wait::no);
  if (free_.empty()) free_.emplace_back(stream_.device());
  Copy copy = std::move(free_.back());
  free_.pop_back();
  copy.number = number;
  copy.count = 1 + loss.items.size();
  const std::size_t bytes = copy.count * sizeof(float);
  if (copy.host.size() < bytes) copy.host = HostBuffer(stream_.device(), bytes);
  auto* to = copy.host.as<float>();
  stream_.copy(to++, loss.total.as(), sizeof(float));
  for (const Tensor& item : loss.items) stream_.copy(to++, item.as(), sizeof(float));
  copy.done.record(stream_);
  under_way_.push_back(std::move(copy));
}

const std::vector<double>& EpochLosses::means(Wait wait) {
  while (!under_way_.empty()) {
    Copy& oldest = under_way_.front();
    if (wait == Wait::yes) oldest.done.synchronize();
    if (!oldest.done.done()) break;
    take(oldest);
    free_.push_back(std::move(oldest));
    under_way_.pop_front();
  }
  return means_;
}

void EpochLosses::take(const Copy& copy) {
  const float* values = copy.host.as<float>();
  finite_ = std::isfinite(values[0]);
  for (std::size_t i = 0; i < means_.size() && i + 1 < copy.count; ++i) {
    means_[i] = (means_[i] * copy.number + values[i + 1]) / (copy.number + 1);
  }
}

}  // namespace boxcar
