#include "boxcar/trainers/facade/image_view.h"

#include <cstdlib>

#include "boxcar/data/image/headers.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {

Image copied(const ImageView& view) {
  if (!view.data) fail<ArgumentError>("an image to predict on has no data");
  if (view.width < 1 || view.height < 1 || std::int64_t{view.width} * view.height > kMaxImagePixels) {
    fail<ArgumentError>("an image to predict on is {} x {} pixels; sides start at 1, and {} pixels are the most",
                        view.width, view.height, kMaxImagePixels);
  }
  const int channels = view.format == Pixels::gray8 ? 1 : 3;
  const std::ptrdiff_t row = std::ptrdiff_t{view.width} * channels, stride = view.stride ? view.stride : row;
  if (std::abs(stride) < row) {
    fail<ArgumentError>("an image to predict on has rows of {} bytes, but a stride of {}", row, stride);
  }
  const int blue = view.format == Pixels::rgb8 ? 2 : 0, green = channels == 1 ? 0 : 1;
  const int red = channels == 1 ? 0 : 2 - blue;
  Image image{view.height, view.width, 3, std::vector<std::uint8_t>(std::size_t(view.height) * view.width * 3)};
  for (int y = 0; y < view.height; ++y) {
    const std::uint8_t* from = view.data + y * stride;
    std::uint8_t* to = image.row(y);
    for (int x = 0; x < view.width; ++x, to += 3, from += channels) {
      to[0] = from[blue];
      to[1] = from[green];
      to[2] = from[red];
    }
  }
  return image;
}

}  // namespace boxcar
