#include "boxcar/data/loader/loader_options.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

void check(const DataLoaderOptions& o) {
  const auto range = [](const char* name, int value, int low, int high) {
    if (value < low || value > high) fail<ArgumentError>("{}={} must lie between {} and {}", name, value, low, high);
  };
  range("imgsz", o.imgsz, 1, 1 << 14);
  range("batch", o.batch, 1, 1 << 16);
  range("stride", o.stride, 1, 1 << 10);
  range("workers", o.workers, 0, 1024);
  range("prefetch", o.prefetch, 1, 1 << 10);
  range("ranks", o.ranks, 1, 1 << 20);
  range("rank", o.rank, 0, o.ranks - 1);
  if (o.training) check_options(o.augment);
  if (o.plans && !o.training) fail<ArgumentError>("plans=True is for training; validation's pictures are always made");
  if (o.training && o.rect && o.ranks > 1) {
    fail<ArgumentError>("rect=True in training works on one device only, not on {}; leave rect off", o.ranks);
  }
}

}  // namespace

DataLoaderOptions completed(DataLoaderOptions o, std::size_t images) {
  constexpr int kLeastStride = 32;
  o.augment.imgsz = o.imgsz;
  check(o);
  o.batch = static_cast<int>(std::min<std::size_t>(o.batch, images));
  o.stride = std::max(o.stride, kLeastStride);
  if (o.rect) o.augment.mosaic = o.augment.mixup = o.augment.cutmix = 0;
  return o;
}

}  // namespace boxcar
