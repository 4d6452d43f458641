// A data set of eight small pictures: two filled rectangles each, classes red and blue.
#pragma once

#include <filesystem>

namespace boxcar::test {

/// Writes images/{train,val}, labels/{train,val} and data.yaml into `folder`, four 64 x 64 PNG files a split.
/// Returns the YAML's path.
std::filesystem::path make_tiny_dataset(const std::filesystem::path& folder);

}  // namespace boxcar::test
