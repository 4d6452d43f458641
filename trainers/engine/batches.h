// From the loader's batches to the device, and to pictures.
#pragma once

#include <vector>

#include "boxcar/data/loader/batch.h"
#include "boxcar/nn/model/batch.h"
#include "boxcar/trainers/plots/batch_picture.h"

namespace boxcar {

/// Images as f32 in 0..1 on the stream's device, boxes as the table of targets.
Batch to_device(Stream& stream, const HostBatch& host);

/// Up to 16 pictures of a batch with their file names, for batch_picture(); with their labels.
std::vector<BatchItem> batch_items(const HostBatch& batch);
std::vector<BatchItem> labelled_items(const HostBatch& batch);

}  // namespace boxcar
