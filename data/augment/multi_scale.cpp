#include "boxcar/data/augment/multi_scale.h"

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"

namespace boxcar {

Random multi_scale_random(std::uint64_t seed, int epoch, int batch) {
  return Random(seed ^ hash_name("multi_scale"), static_cast<std::uint64_t>(epoch), static_cast<std::uint64_t>(batch));
}

int draw_multi_scale_size(int imgsz, double fraction, int stride, Random& random) {
  if (imgsz < 1 || stride < 1 || !(fraction > 0 && fraction < 1)) {
    fail<ArgumentError>("multi_scale={} at imgsz={}, stride {}: a fraction between 0 and 1 of a size is needed",
                        fraction, imgsz, stride);
  }
  const int low = std::max(stride, static_cast<int>(imgsz * (1 - fraction)));
  const int high = static_cast<int>(imgsz * (1 + fraction) + stride);
  const int size = low + static_cast<int>(random.below(static_cast<std::uint32_t>(std::max(high - low, 1))));
  return size / stride * stride;
}

int most_multi_scale_size(int imgsz, double fraction, int stride) {
  if (!(fraction > 0)) return imgsz;
  return (static_cast<int>(imgsz * (1 + fraction) + stride) - 1) / stride * stride;
}

ResizedSize multi_scale_shape(ResizedSize shape, int size, int stride) {
  const int longer = std::max(shape.height, shape.width);
  if (size == longer) return shape;
  const double factor = static_cast<double>(size) / longer;
  const auto scaled = [&](int side) { return static_cast<int>(std::ceil(side * factor / stride)) * stride; };
  return {scaled(shape.height), scaled(shape.width)};
}

}  // namespace boxcar
