// A data set of eight small pictures: two filled rectangles each, classes red and blue.
#pragma once

#include <filesystem>

namespace boxcar::test {

/// Writes images/{train,val}, labels/{train,val} and data.yaml into `folder`, four 64 x 64 PNG files a split.
/// Returns the YAML's path.
std::filesystem::path make_tiny_dataset(const std::filesystem::path& folder);

/// A network of five convolutions and a head of one level a stride (8, 16, 32) for its two classes: trains in moments.
inline constexpr const char* kTinyNetwork =
    "nc: 2\n"
    "backbone:\n"
    "  - [-1, 1, Conv, [8, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "  - [-1, 1, Conv, [16, 3, 2]]\n"
    "head:\n"
    "  - [[2, 3, 4], 1, Detect, [nc]]\n";

}  // namespace boxcar::test
