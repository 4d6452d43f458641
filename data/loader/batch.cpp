#include "boxcar/data/loader/batch.h"

#include <utility>

namespace boxcar {

HostBatch with_pictures(Stream& stream, HostBatch batch) {
  if (batch.images) return batch;
  batch.images = Tensor::empty(stream, batch.shape, DType::kU8);
  kernels::render(stream, {batch.planned.plans, host_sources(batch.planned.images), batch.images});
  batch.planned = {};
  return batch;
}

}  // namespace boxcar
