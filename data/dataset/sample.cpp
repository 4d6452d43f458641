#include "boxcar/data/dataset/sample.h"

namespace boxcar {

Dataset::Size Dataset::image_size(std::size_t index) const {
  const Sample sample = get(index);
  return {sample.image.height, sample.image.width};
}

std::vector<BoxLabel> Dataset::labels(std::size_t index) const { return get(index).boxes; }

}  // namespace boxcar
