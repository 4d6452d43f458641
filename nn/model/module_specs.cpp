#include "boxcar/nn/model/module_specs.h"

#include <algorithm>
#include <cstdint>

namespace boxcar {
namespace {

/// Side after a window of `extent` moved by `stride` over a padded side.
int windows(int size, int extent, int stride, int padding) {
  const int room = size + 2 * padding - extent;
  return room < 0 ? 0 : room / stride + 1;
}

struct OutputSize {
  int size;
  int operator()(const ConvSpec& c) const {
    return windows(size, c.dilation * (c.kernel - 1) + 1, c.stride, c.padding);
  }
  int operator()(const MaxPoolSpec& p) const { return windows(size, p.kernel, p.stride, p.padding); }
  int operator()(const UpsampleSpec& u) const { return size * u.factor; }
  int operator()(const RegisteredSpec& r) const {
    return static_cast<int>(std::int64_t{size} * r.size_out / r.size_in);
  }
  template <class Other>
  int operator()(const Other&) const {
    return size;
  }
};

}  // namespace

int hidden_channels(int c, double e) { return static_cast<int>(c * e); }

int attention_heads(int c) { return std::max(c / 64, 1); }

int output_size(const ModuleSpec& module, int size) { return std::visit(OutputSize{size}, module); }

}  // namespace boxcar
