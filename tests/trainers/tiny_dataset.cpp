#include "support/tiny_dataset.h"

#include <fmt/format.h>

#include <fstream>

#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar::test {
namespace {

struct Rectangle {
  int x, y, side;
};

void fill(Image& image, const Rectangle& r, bool red) {
  for (int y = r.y; y < r.y + r.side; ++y) {
    for (int x = r.x; x < r.x + r.side; ++x) {
      std::uint8_t* pixel = image.row(y) + 3 * x;
      pixel[0] = red ? 20 : 230;
      pixel[1] = 20;
      pixel[2] = red ? 230 : 20;
    }
  }
}

void write_sample(const std::filesystem::path& folder, const std::string& split, int number) {
  constexpr int kSide = 64;
  Random random(1, static_cast<std::uint64_t>(number), split == "train" ? 0 : 1);
  Image image{kSide, kSide, 3, std::vector<std::uint8_t>(kSide * kSide * 3, 90)};
  std::string lines;
  for (int cls = 0; cls < 2; ++cls) {
    const int side = 12 + static_cast<int>(random.below(12));
    // Left half for red, right half for blue: no overlap.
    const Rectangle r{cls * 32 + static_cast<int>(random.below(static_cast<std::uint32_t>(32 - side))),
                      static_cast<int>(random.below(static_cast<std::uint32_t>(kSide - side))), side};
    fill(image, r, cls == 0);
    lines += fmt::format("{} {} {} {} {}\n", cls, (r.x + r.side / 2.0) / kSide, (r.y + r.side / 2.0) / kSide,
                         double(r.side) / kSide, double(r.side) / kSide);
  }
  const std::string stem = fmt::format("{}{}", split, number);
  write_image(folder / "images" / split / (stem + ".png"), image);
  std::filesystem::create_directories(folder / "labels" / split);
  std::ofstream(folder / "labels" / split / (stem + ".txt")) << lines;
}

}  // namespace

std::filesystem::path make_tiny_dataset(const std::filesystem::path& folder) {
  for (int i = 0; i < 4; ++i) {
    write_sample(folder, "train", i);
    write_sample(folder, "val", i);
  }
  const auto yaml = folder / "data.yaml";
  std::ofstream(yaml) << "path: " << folder.string() << "\ntrain: images/train\nval: images/val\nnames: [red, blue]\n";
  return yaml;
}

}  // namespace boxcar::test
