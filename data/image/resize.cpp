#include "boxcar/data/image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "boxcar/kernels/resample/byte_rows.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

constexpr float kOne = 2048.0f;  // a weight of 1: 11 bits

/// Where one output coordinate reads: source index and the weights of it and its successor.
struct Tap {
  int index;
  std::int32_t a, b;
};

Tap tap_at(int i, int src, int dst) {
  const double scale = static_cast<double>(src) / dst;
  const auto f = static_cast<float>((i + 0.5) * scale - 0.5);
  const float base = std::floor(f), t = f - base;
  return {static_cast<int>(base), static_cast<std::int32_t>(std::nearbyint((1.0f - t) * kOne)),
          static_cast<std::int32_t>(std::nearbyint(t * kOne))};
}

/// The horizontal taps; at the borders the whole weight goes to the border pixel. Each tap has a successor in the row
/// where that has two pixels.
kernels::ColumnTaps horizontal_taps(int src, int dst, int channels) {
  constexpr auto kAll = static_cast<std::int32_t>(kOne);
  kernels::ColumnTaps taps;
  for (int x = 0; x < dst; ++x) {
    Tap tap = tap_at(x, src, dst);
    if (tap.index < 0) tap = {0, kAll, 0};
    if (tap.index >= src - 1) tap = src > 1 ? Tap{src - 2, 0, kAll} : Tap{0, kAll, 0};
    taps.add(tap.index * channels, tap.a, tap.b);
  }
  return taps;
}

/// Horizontally resampled source rows; the last two are kept, since neighbouring output rows share them.
class RowCache {
 public:
  RowCache(const Image& image, int width) : image_(image), taps_(horizontal_taps(image.width, width, image.channels)) {
    const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(image.channels);
    for (auto& slot : slots_) slot.values.resize(count + kernels::kSpareColumns);
  }

  /// Rows y and its neighbour alternate between the two slots by parity.
  const std::int32_t* row(int y) {
    Slot& slot = slots_[static_cast<std::size_t>(y & 1)];
    if (slot.y != y) resample(image_.row(y), slot.values.data());
    slot.y = y;
    return slot.values.data();
  }

 private:
  struct Slot {
    int y = -1;
    std::vector<std::int32_t> values;
  };

  void resample(const std::uint8_t* row, std::int32_t* out) const {
    if (image_.width > 1) return kernels::resample_columns(row, image_.channels, taps_, out);
    for (int x = 0; x < taps_.count; ++x) {  // one pixel has no neighbour to read
      for (int c = 0; c < image_.channels; ++c) *out++ = static_cast<std::int32_t>(kOne) * row[c];
    }
  }

  const Image& image_;
  kernels::ColumnTaps taps_;
  std::array<Slot, 2> slots_;
};

}  // namespace

ResizedSize resize_on_load_size(int h0, int w0, int imgsz) {
  if (h0 < 1 || w0 < 1 || imgsz < 1)
    fail<ArgumentError>("resize on load: image {}x{} and imgsz {} must all be at least 1", h0, w0, imgsz);
  const double r = static_cast<double>(imgsz) / std::max(h0, w0);
  const auto side = [&](int s) { return std::min(static_cast<int>(std::ceil(s * r)), imgsz); };
  return {side(h0), side(w0)};
}

Image resize_bilinear(const Image& image, int height, int width) {
  if (image.empty() || height < 1 || width < 1)
    fail<ArgumentError>("resize: cannot make {}x{} (height x width) from an image of {}x{}", height, width,
                        image.height, image.width);
  if (image.height == height && image.width == width) return image;
  Image out{height, width, image.channels, {}};
  const std::size_t count = static_cast<std::size_t>(width) * static_cast<std::size_t>(image.channels);
  out.pixels.resize(count * static_cast<std::size_t>(height));
  RowCache rows(image, width);
  for (int y = 0; y < height; ++y) {
    // The rows are clamped, the weights are not: at the borders both weights apply to the same row.
    const Tap tap = tap_at(y, image.height, height);
    const int y0 = std::clamp(tap.index, 0, image.height - 1), y1 = std::clamp(tap.index + 1, 0, image.height - 1);
    const std::int32_t* h0 = rows.row(y0);
    kernels::blend_byte_rows(h0, rows.row(y1), tap.a, tap.b, static_cast<std::int64_t>(count), out.row(y));
  }
  return out;
}

}  // namespace boxcar
