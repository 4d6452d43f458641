#include "boxcar/runtime/tensor/host_floats.h"

namespace boxcar {

HostFloats::HostFloats(Stream& stream, float* data, std::size_t count) : stream_(stream), data_(data) {
  if (stream.device().is_cuda()) {
    copy_.resize(count);
    stream.copy(copy_.data(), data, count * sizeof(float));
    stream.synchronize();
    values_ = copy_;
  } else {
    values_ = {data, count};
  }
}

void HostFloats::write_back() {
  if (copy_.empty()) return;
  stream_.copy(data_, copy_.data(), copy_.size() * sizeof(float));
  stream_.synchronize();
}

}  // namespace boxcar
