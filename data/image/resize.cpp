#include "boxcar/data/image/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

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

/// The horizontal taps, with byte offsets; at the borders the whole weight goes to the border pixel.
std::vector<Tap> horizontal_taps(int src, int dst, int channels) {
  std::vector<Tap> taps(static_cast<std::size_t>(dst));
  for (int x = 0; x < dst; ++x) {
    Tap tap = tap_at(x, src, dst);
    if (tap.index < 0) tap = {0, static_cast<std::int32_t>(kOne), 0};
    if (tap.index >= src - 1) tap = {src - 1, static_cast<std::int32_t>(kOne), 0};
    tap.index *= channels;
    taps[static_cast<std::size_t>(x)] = tap;
  }
  return taps;
}

/// One source row resampled horizontally. `p` has one spare pixel at its end, read with weight 0.
template <int kChannels>
void resample_row(const std::uint8_t* p, const std::vector<Tap>& taps, std::int32_t* out) {
  for (const Tap& tap : taps)
    for (int c = 0; c < kChannels; ++c) *out++ = tap.a * p[tap.index + c] + tap.b * p[tap.index + kChannels + c];
}

void resample_row(const std::uint8_t* p, const std::vector<Tap>& taps, int channels, std::int32_t* out) {
  if (channels == 3) return resample_row<3>(p, taps, out);
  if (channels == 1) return resample_row<1>(p, taps, out);
  for (const Tap& tap : taps)
    for (int c = 0; c < channels; ++c) *out++ = tap.a * p[tap.index + c] + tap.b * p[tap.index + channels + c];
}

void blend_rows(const std::int32_t* h0, const std::int32_t* h1, std::int32_t a, std::int32_t b, std::size_t count,
                std::uint8_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::int32_t v = ((a * (h0[i] >> 4)) >> 16) + ((b * (h1[i] >> 4)) >> 16);
    out[i] = static_cast<std::uint8_t>((v + 2) >> 2);
  }
}

/// Horizontally resampled source rows; the last two are kept, since neighbouring output rows share them.
class RowCache {
 public:
  RowCache(const Image& image, int width) : image_(image), taps_(horizontal_taps(image.width, width, image.channels)) {
    const std::size_t channels = static_cast<std::size_t>(image.channels);
    padded_.resize((static_cast<std::size_t>(image.width) + 1) * channels);
    for (auto& slot : slots_) slot.values.resize(static_cast<std::size_t>(width) * channels);
  }

  /// Rows y and its neighbour alternate between the two slots by parity.
  const std::int32_t* row(int y) {
    Slot& slot = slots_[static_cast<std::size_t>(y & 1)];
    if (slot.y != y) {
      std::copy_n(image_.row(y), padded_.size() - static_cast<std::size_t>(image_.channels), padded_.begin());
      resample_row(padded_.data(), taps_, image_.channels, slot.values.data());
      slot.y = y;
    }
    return slot.values.data();
  }

 private:
  struct Slot {
    int y = -1;
    std::vector<std::int32_t> values;
  };
  const Image& image_;
  std::vector<Tap> taps_;
  std::vector<std::uint8_t> padded_;
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
    blend_rows(h0, rows.row(y1), tap.a, tap.b, count, out.row(y));
  }
  return out;
}

}  // namespace boxcar
