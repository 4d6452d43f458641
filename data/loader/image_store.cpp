#include "boxcar/data/loader/image_store.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

/// A user's own data set may hand out anything.
void check_sample(const Sample& sample) {
  const Image& image = sample.image;
  if (image.channels != 3 || image.height < 1 || image.width < 1 ||
      image.pixels.size() != std::size_t{3} * image.height * image.width) {
    fail<DataError>("{}: an image of {}x{} with {} channels; 3 channels are needed", sample.path.string(), image.height,
                    image.width, image.channels);
  }
  if (!sample.polygons.empty() && sample.polygons.size() != sample.boxes.size()) {
    fail<DataError>("{}: {} polygons for {} boxes; give one for each box, or none", sample.path.string(),
                    sample.polygons.size(), sample.boxes.size());
  }
  for (const Polygon& polygon : sample.polygons) {
    const bool finite = std::ranges::all_of(polygon, [](float v) { return std::isfinite(v); });
    if (polygon.empty() || polygon.size() % 2 != 0 || !finite) {
      fail<DataError>("{}: a polygon of {} numbers; pairs of finite x and y are needed", sample.path.string(),
                      polygon.size());
    }
  }
}

}  // namespace

ImageStore::ImageStore(std::shared_ptr<const Dataset> dataset, int imgsz, std::size_t capacity, Log log)
    : dataset_(std::move(dataset)),
      imgsz_(imgsz),
      count_(dataset_->size()),
      capacity_(capacity),
      log_(std::move(log)) {}

ImageStore::Entry ImageStore::get(std::size_t index) {
  for (std::size_t step = 0; step < count_; ++step) {
    const std::size_t i = (index + step) % count_;
    if (Entry entry = find(i)) return entry;
    if (is_unreadable(i)) continue;
    try {
      Entry entry = load(i);
      keep(entry);
      return entry;
    } catch (const DataError& error) {
      mark_unreadable(i, error.what());
    } catch (const IoError& error) {
      mark_unreadable(i, error.what());
    }
  }
  fail<DataError>("none of the data set's {} images can be read any more", count_);
}

ImageStore::Entry ImageStore::find(std::size_t index) {
  std::lock_guard lock(mutex_);
  const auto at = kept_.find(index);
  if (at == kept_.end()) return nullptr;
  ++hits_;
  recent_.splice(recent_.begin(), recent_, at->second);
  return *at->second;
}

ImageStore::Entry ImageStore::load(std::size_t index) const {
  Sample sample = dataset_->get(index);
  check_sample(sample);
  const Image& image = sample.image;
  auto loaded = std::make_shared<LoadedImage>();
  loaded->index = index;
  loaded->path = std::move(sample.path);
  loaded->original = {image.height, image.width};
  loaded->labels = std::move(sample.boxes);
  loaded->polygons = std::move(sample.polygons);
  const ResizedSize size = resize_on_load_size(image.height, image.width, imgsz_);
  loaded->image = loaded->original == size ? std::move(sample.image) : resize_bilinear(image, size.height, size.width);
  return loaded;
}

void ImageStore::keep(const Entry& entry) {
  const auto bytes_of = [](const Entry& e) { return e->image.pixels.size(); };
  std::lock_guard lock(mutex_);
  ++misses_;
  if (bytes_of(entry) > capacity_ || kept_.contains(entry->index)) return;
  bytes_ += bytes_of(entry);
  recent_.push_front(entry);
  kept_[entry->index] = recent_.begin();
  while (bytes_ > capacity_) {
    bytes_ -= bytes_of(recent_.back());
    kept_.erase(recent_.back()->index);
    recent_.pop_back();
  }
}

bool ImageStore::is_unreadable(std::size_t index) const {
  std::lock_guard lock(mutex_);
  return unreadable_.contains(index);
}

void ImageStore::mark_unreadable(std::size_t index, const char* why) {
  {
    std::lock_guard lock(mutex_);
    if (!unreadable_.insert(index).second) return;
  }
  log_.warning("image {} of the data set can no longer be read, the next one takes its place: {}", index, why);
}

void ImageStore::load_all(int threads) {
  std::atomic<std::size_t> next = 0;
  std::exception_ptr error;
  std::mutex error_mutex;
  const auto work = [&] {
    try {
      for (std::size_t i; (i = next++) < count_;) get(i);
    } catch (...) {
      next = count_;
      std::lock_guard lock(error_mutex);
      if (!error) error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> team;
    for (int i = 1; i < threads; ++i) team.emplace_back(work);
    work();
  }
  if (error) std::rethrow_exception(error);
}

std::size_t ImageStore::estimated_bytes() const {
  constexpr std::size_t kLooks = 30;
  const std::size_t looks = std::min(kLooks, count_);
  if (looks == 0) return 0;
  double bytes = 0;
  for (std::size_t k = 0; k < looks; ++k) {
    const auto [h0, w0] = dataset_->image_size(k * count_ / looks);
    const auto [h, w] = resize_on_load_size(h0, w0, imgsz_);
    bytes += 3.0 * h * w;
  }
  return static_cast<std::size_t>(bytes / static_cast<double>(looks) * static_cast<double>(count_));
}

std::size_t available_memory_bytes() {
  std::ifstream file("/proc/meminfo");
  for (std::string key; file >> key;) {
    if (key == "MemAvailable:") {
      std::size_t kilobytes = 0;
      file >> kilobytes;
      return kilobytes * 1024;
    }
    file.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  }
  return 0;
}

}  // namespace boxcar
