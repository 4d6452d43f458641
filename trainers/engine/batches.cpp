#include "boxcar/trainers/engine/batches.h"

#include <algorithm>

#include "boxcar/kernels/render/to_float.h"

namespace boxcar {

Batch to_device(Stream& stream, const HostBatch& host) {
  Batch batch;
  const Shape shape = host.images.shape();
  batch.images = Tensor::empty(stream, shape);
  if (stream.device().is_cuda()) {
    const Tensor bytes = Tensor::empty(stream, shape, DType::kU8);
    stream.copy(bytes.view().data, host.images.view().data, static_cast<std::size_t>(shape.count()));
    kernels::images_to_float(stream, {bytes, batch.images});
  } else {
    kernels::images_to_float(stream, {host.images, batch.images});
  }
  batch.targets = Tensor::empty(stream, {1, 1, static_cast<int>(host.boxes.size()), 6});
  stream.copy(batch.targets.view().data, host.boxes.data(), host.boxes.size() * sizeof(host.boxes[0]));
  stream.synchronize();  // the copies read `host`, which the caller may drop
  return batch;
}

std::vector<BatchItem> batch_items(const HostBatch& batch) {
  constexpr std::size_t kMaxItems = 16;
  const Shape shape = batch.images.shape();
  std::vector<BatchItem> items(std::min<std::size_t>(batch.infos.size(), kMaxItems));
  for (std::size_t i = 0; i < items.size(); ++i) {
    Image& image = items[i].image;
    image = {shape.h, shape.w, 3, {}};
    const std::size_t bytes = std::size_t(shape.h) * shape.w * 3;
    const std::uint8_t* rgb = batch.images.as<std::uint8_t>() + i * bytes;
    image.pixels.resize(bytes);
    for (std::size_t p = 0; p < bytes; p += 3) {
      image.pixels[p] = rgb[p + 2];
      image.pixels[p + 1] = rgb[p + 1];
      image.pixels[p + 2] = rgb[p];
    }
    items[i].name = batch.infos[i].path.filename().string();
  }
  return items;
}

std::vector<BatchItem> labelled_items(const HostBatch& batch) {
  const Shape shape = batch.images.shape();
  std::vector<BatchItem> items = batch_items(batch);
  for (const auto& row : batch.boxes) {
    const auto image = static_cast<std::size_t>(row[0]);
    if (image >= items.size()) continue;
    const BoxLabel label{static_cast<int>(row[1]), row[2], row[3], row[4], row[5]};
    const std::vector<Box> box = boxes_of_labels({&label, 1}, shape.w, shape.h);
    items[image].boxes.insert(items[image].boxes.end(), box.begin(), box.end());
  }
  return items;
}

}  // namespace boxcar
