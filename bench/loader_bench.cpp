// The data path on a data set in YOLO format, stage by stage: loader_bench IMAGES [IMGSZ]
// Seconds of processor time count, so that other work on the machine disturbs less.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <memory>

#include "boxcar/data/dataset/yolo_dataset.h"
#include "boxcar/data/image/resize.h"
#include "boxcar/data/loader/loader.h"
#include "boxcar/kernels/render/to_float.h"
#include "boxcar/runtime/memory/keep_freed.h"

namespace boxcar {
namespace {

double cpu_seconds() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// Runs f, which makes `images` images, and prints how many that are a second.
template <class F>
void measure(std::string_view what, std::int64_t images, F&& f) {
  const double cpu = cpu_seconds();
  const auto wall = std::chrono::steady_clock::now();
  f();
  const double cpu_taken = cpu_seconds() - cpu;
  const double wall_taken = std::chrono::duration<double>(std::chrono::steady_clock::now() - wall).count();
  const auto n = static_cast<double>(images);
  fmt::print("{:<44} {:8.0f} img/s a core {:8.0f} img/s {:8.3f} ms of processor\n", what, n / cpu_taken, n / wall_taken,
             1e3 * cpu_taken / n);
}

void decode(const Dataset& dataset, int imgsz) {
  const auto count = static_cast<std::int64_t>(dataset.size());
  measure("decode", count, [&] {
    for (std::size_t i = 0; i < dataset.size(); ++i) dataset.get(i);
  });
  measure("decode and resize", count, [&] {
    for (std::size_t i = 0; i < dataset.size(); ++i) {
      const Image image = dataset.get(i).image;
      const ResizedSize size = resize_on_load_size(image.height, image.width, imgsz);
      resize_bilinear(image, size.height, size.width);
    }
  });
}

void load(const std::shared_ptr<const Dataset>& dataset, DataLoaderOptions options, std::string_view what) {
  DataLoader loader(dataset, options);
  constexpr int kEpochs = 2;  // the first fills what is kept
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto name = fmt::format("{}, {} workers, epoch {}", what, options.workers, epoch + 1);
    measure(name, static_cast<std::int64_t>(loader.size()), [&] {
      loader.start_epoch(epoch);
      while (loader.next()) {
      }
    });
  }
}

void convert(int imgsz) {
  constexpr int kImages = 16, kRounds = 10;
  Stream stream(Device::cpu(), {.threads = 1});
  const Tensor bytes = Tensor::zeros(stream, {kImages, imgsz, imgsz, 3}, DType::kU8);
  const Tensor floats = Tensor::zeros(stream, bytes.shape());
  measure("bytes to f32", kImages * kRounds, [&] {
    for (int i = 0; i < kRounds; ++i) kernels::images_to_float(stream, {bytes, floats});
  });
}

void run(const char* images, int imgsz) {
  const auto dataset = std::make_shared<YoloDataset>(std::vector<std::filesystem::path>{images},
                                                     YoloDatasetOptions{.num_classes = 1 << 20});
  decode(*dataset, imgsz);
  for (const int workers : {0, 1, 2}) {
    DataLoaderOptions options;
    options.imgsz = imgsz;
    options.workers = workers;
    load(dataset, options, "training");
    options.cache = ImageCache::kRam;
    load(dataset, options, "training, cache=ram");
  }
  DataLoaderOptions validation;
  validation.training = false;
  validation.imgsz = imgsz;
  validation.rect = true;
  validation.workers = 1;
  load(dataset, validation, "validation");
  convert(imgsz);
}

}  // namespace
}  // namespace boxcar

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} IMAGES [IMGSZ]\n", argv[0]);
    return 2;
  }
  boxcar::keep_freed_memory();
  boxcar::run(argv[1], argc > 2 ? std::atoi(argv[2]) : 640);
}
