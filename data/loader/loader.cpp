#include "boxcar/data/loader/loader.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <limits>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "boxcar/data/loader/epoch_batches.h"
#include "boxcar/data/loader/image_store.h"
#include "boxcar/data/loader/make_sample.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

std::size_t checked_count(const std::shared_ptr<const Dataset>& dataset) {
  if (!dataset || dataset->size() == 0) fail<DataError>("a loader needs a data set with at least one image");
  if (dataset->size() > std::numeric_limits<std::uint32_t>::max()) {
    fail<DataError>("a data set of {} images is too large; {} are possible", dataset->size(),
                    std::numeric_limits<std::uint32_t>::max());
  }
  return dataset->size();
}

/// Images as the cache option wants them. Half of the memory is left to others: the need is an estimate.
std::unique_ptr<ImageStore> make_store(const std::shared_ptr<const Dataset>& dataset, const DataLoaderOptions& options,
                                       const Log& log) {
  auto store = std::make_unique<ImageStore>(dataset, options.imgsz, options.cache_bytes, log);
  if (options.cache != ImageCache::kRam) return store;
  const std::size_t need = store->estimated_bytes();
  const std::size_t have = options.memory_bytes ? options.memory_bytes : available_memory_bytes();
  constexpr std::size_t kMegabyte = 1 << 20;
  if (need > have / 2) {
    log.warning(
        "cache=ram needs about {} MB and twice that must be free, but only {} MB are; images are read as they "
        "are needed",
        need / kMegabyte, have / kMegabyte);
    return store;
  }
  store = std::make_unique<ImageStore>(dataset, options.imgsz, ImageStore::kUnlimited, log);
  store->load_all(options.workers);
  log.info("{} images in memory, about {} MB", store->size(), need / kMegabyte);
  return store;
}

Tensor host_bytes(const std::shared_ptr<MemoryPool>& pool, Shape shape) {
  auto owner = MemoryPool::allocate(pool, static_cast<std::size_t>(shape.count()));
  return Tensor::wrap({owner.get(), DType::kU8, shape.n, shape.h, shape.w, shape.c, shape.c}, owner);
}

/// Images that a sample may be joined with: 1000, or what the usual cache holds of larger ones. The cache that the
/// options ask for does not count: it shall not show in the pictures.
std::size_t most_partners(int imgsz) {
  constexpr std::size_t kMost = 1000;
  const std::size_t image_bytes = std::size_t{3} * imgsz * imgsz;
  return std::clamp<std::size_t>(DataLoaderOptions().cache_bytes / image_bytes, 1, kMost);
}

/// A batch in the making. Its pictures are tasks of their own; who makes which does not matter.
struct Job {
  HostBatch batch;
  std::vector<std::size_t> indices;  // of the data set
  bool mosaic_closed = false;
  std::shared_ptr<const Partners> partners;    // of the epoch, in training
  std::vector<MadeSample> made;                // a slot for each picture
  std::vector<PlannedTrainingSample> planned;  // likewise, where plans are wanted
  std::vector<std::exception_ptr> errors;
  std::size_t started = 0, finished = 0;  // pictures
  bool has_task() const { return started < indices.size(); }
  bool done() const { return finished == indices.size(); }
};

/// A batch that could not even be begun: handed out to report it.
std::shared_ptr<Job> failed_job(std::exception_ptr error) {
  auto job = std::make_shared<Job>();
  job->errors.push_back(std::move(error));
  return job;
}

/// Joins the pictures' boxes, in the order of the pictures.
HostBatch finished_batch(Job& job) {
  for (const std::exception_ptr& error : job.errors) {
    if (error) std::rethrow_exception(error);
  }
  for (PlannedTrainingSample& sample : job.planned) {
    add_picture(job.batch.planned, sample.plan, sample.images);
    job.made.push_back(std::move(sample.made));
  }
  for (std::size_t i = 0; i < job.made.size(); ++i) {
    for (const BoxLabel& b : job.made[i].boxes) {
      job.batch.boxes.push_back({static_cast<float>(i), static_cast<float>(b.cls), b.xc, b.yc, b.w, b.h});
    }
    job.batch.infos.push_back(std::move(job.made[i].info));
  }
  return std::move(job.batch);
}

}  // namespace

class DataLoader::Impl {
 public:
  Impl(const std::shared_ptr<const Dataset>& dataset, DataLoaderOptions options, const Log& log)
      : options_(completed(std::move(options), checked_count(dataset))),
        epochs_(*dataset, options_),
        batches_(static_cast<int>(epochs_.of(0).size())),
        store_(make_store(dataset, options_, log)),
        pool_(std::make_shared<MemoryPool>(Device::cpu())),
        closed_from_(options_.close_mosaic_from) {
    for (int i = 0; i < options_.workers; ++i) team_.emplace_back([this](std::stop_token stop) { work(stop); });
  }

  ~Impl() {
    for (std::jthread& worker : team_) worker.request_stop();
  }

  std::size_t size() const { return store_->size(); }
  int batches() const { return batches_; }

  void start_epoch(int epoch, bool last) {
    if (epoch < 0) fail<ArgumentError>("epoch {} does not exist; epochs count from 0", epoch);
    {
      std::lock_guard lock(mutex_);
      const Position first{epoch, 0};
      if (next_in_line() != first) make_from(first, jobs_.begin());
      reading_ = first;
      last_ = last;
      started_ = true;
    }
    task_.notify_all();
  }

  void close_mosaic_from(int epoch) {
    {
      std::lock_guard lock(mutex_);
      closed_from_ = epoch;
      const auto changed = std::ranges::find_if(
          jobs_, [&](const auto& job) { return job->mosaic_closed != is_closed(job->batch.epoch); });
      if (changed != jobs_.end()) make_from({(*changed)->batch.epoch, (*changed)->batch.number}, changed);
    }
    task_.notify_all();
  }

  std::optional<HostBatch> next() {
    const auto begin = std::chrono::steady_clock::now();
    const std::shared_ptr<Job> job = take();
    stats_.wait_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    if (!job) return std::nullopt;
    HostBatch batch = finished_batch(*job);
    ++stats_.batches;
    stats_.images += static_cast<std::int64_t>(batch.infos.size());
    return batch;
  }

  LoaderStats stats() const {
    LoaderStats stats = stats_;
    stats.cache_hits = store_->hits();
    stats.cache_misses = store_->misses();
    return stats;
  }

 private:
  struct Position {
    int epoch = 0, number = 0;
    bool operator==(const Position&) const = default;
  };
  using Jobs = std::deque<std::shared_ptr<Job>>;

  // All of the following but make() run under the lock.

  Position next_in_line() const {
    return jobs_.empty() ? making_ : Position{jobs_.front()->batch.epoch, jobs_.front()->batch.number};
  }
  /// Drops the jobs from `first` on; `position` is made next. A worker may still finish one of them.
  void make_from(Position position, Jobs::iterator first) {
    jobs_.erase(first, jobs_.end());
    making_ = position;
  }
  bool is_closed(int epoch) const { return epoch >= closed_from_; }

  /// The finished job to hand out, removed from the list; null at the end of the epoch.
  std::shared_ptr<Job> take() {
    std::unique_lock lock(mutex_);
    if (!started_) fail<ArgumentError>("DataLoader: start_epoch() must come before next()");
    if (reading_.number == batches_) return nullptr;
    if (options_.workers == 0) make_here(lock);
    finished_.wait(lock, [&] { return !jobs_.empty() && jobs_.front()->done(); });
    auto job = std::move(jobs_.front());
    jobs_.pop_front();
    ++reading_.number;
    task_.notify_all();
    return job;
  }

  void make_here(std::unique_lock<std::mutex>& lock) {
    if (jobs_.empty()) add_job();
    Stream stream(Device::cpu(), {.threads = 1});
    while (jobs_.front()->has_task()) make(stream, jobs_.front(), lock);
  }

  /// A worker's life: pictures of the earliest batch that still has some to make.
  void work(const std::stop_token& stop) {
    Stream stream(Device::cpu(), {.threads = 1});
    std::unique_lock lock(mutex_);
    while (!stop.stop_requested()) {
      std::shared_ptr<Job> job;
      if (task_.wait(lock, stop, [&] { return (job = job_with_task()) != nullptr; })) make(stream, job, lock);
    }
  }

  std::shared_ptr<Job> job_with_task() {
    for (;;) {
      const auto at = std::ranges::find_if(jobs_, [](const auto& job) { return job->has_task(); });
      if (at != jobs_.end()) return *at;
      if (!may_add_job()) return nullptr;
      add_job();
    }
  }
  /// In training the next epoch's batches are made while this one's are read, if there is a next one.
  bool may_add_job() const {
    return started_ && static_cast<int>(jobs_.size()) < options_.prefetch && batches_ > 0 &&
           ((options_.training && !last_) || making_.epoch == reading_.epoch);
  }

  void add_job() {
    std::shared_ptr<Job> job;
    try {
      job = new_job();
    } catch (...) {
      job = failed_job(std::current_exception());
      finished_.notify_all();
    }
    job->batch.epoch = making_.epoch;
    job->batch.number = making_.number;
    job->mosaic_closed = is_closed(making_.epoch);
    jobs_.push_back(std::move(job));
    if (++making_.number == batches_) making_ = {making_.epoch + 1, 0};
  }
  std::shared_ptr<Job> new_job() {
    if (plans_epoch_ != making_.epoch) begin_plans(making_.epoch);
    const BatchPlan& plan = plans_[making_.number];
    auto job = std::make_shared<Job>();
    const auto n = plan.indices.size();
    job->batch.shape = {static_cast<int>(n), plan.shape.height, plan.shape.width, 3};
    if (options_.plans) {
      job->planned.resize(n);
    } else {
      job->batch.images = host_bytes(pool_, job->batch.shape);
      job->made.resize(n);
    }
    job->errors.resize(n);
    job->indices = plan.indices;
    job->partners = partners_;
    return job;
  }
  void begin_plans(int epoch) {
    plans_ = epochs_.of(epoch);
    if (options_.training) {
      partners_ = std::make_shared<Partners>(store_->size(), options_.seed, epoch, most_partners(options_.imgsz));
    }
    plans_epoch_ = epoch;
  }

  /// Makes one picture of the job, without the lock.
  void make(Stream& stream, const std::shared_ptr<Job>& kept, std::unique_lock<std::mutex>& lock) {
    const std::shared_ptr<Job> job = kept;  // the list may let go of it
    const std::size_t slot = job->started++;
    lock.unlock();
    try {
      make_sample(stream, *job, slot);
    } catch (...) {
      job->errors[slot] = std::current_exception();
    }
    lock.lock();
    ++job->finished;
    if (job->done()) finished_.notify_all();
  }

  void make_sample(Stream& stream, Job& job, std::size_t slot) const {
    const auto picture = [&] {
      TensorView out = job.batch.images;
      out.data = out.as<std::uint8_t>() + static_cast<std::int64_t>(slot) * out.h * out.w * out.c;
      out.n = 1;
      return out;
    };
    if (!options_.training) {
      job.made[slot] = make_validation_sample(stream, *store_, job.indices[slot], picture());
      return;
    }
    AugmentOptions augment = options_.augment;
    augment.mosaic_closed = job.mosaic_closed;
    const std::size_t place = static_cast<std::size_t>(job.batch.number) * options_.batch + slot;  // on this rank
    const auto partners = job.partners->of(place * options_.ranks + options_.rank);
    const SampleKey key{options_.seed, job.batch.epoch, job.indices[slot], partners};
    if (options_.plans) {
      const ResizedSize size{job.batch.shape.h, job.batch.shape.w};
      job.planned[slot] = plan_training_sample(stream, *store_, augment, key, size);
    } else {
      job.made[slot] = make_training_sample(stream, *store_, augment, key, picture());
    }
  }

  const DataLoaderOptions options_;
  const EpochBatches epochs_;
  const int batches_;
  std::unique_ptr<ImageStore> store_;
  std::shared_ptr<MemoryPool> pool_;
  LoaderStats stats_;

  std::mutex mutex_;
  std::condition_variable_any task_;  // wakes on a stop request too
  std::condition_variable finished_;
  int closed_from_;
  bool started_ = false, last_ = false;
  Position reading_, making_;  // the next batch to hand out, and to begin
  Jobs jobs_;                  // begun, in order
  int plans_epoch_ = -1;
  std::vector<BatchPlan> plans_;
  std::shared_ptr<const Partners> partners_;
  std::vector<std::jthread> team_;  // last: stopped and joined before anything else goes
};

DataLoader::DataLoader(std::shared_ptr<const Dataset> dataset, DataLoaderOptions options, Log log)
    : impl_(std::make_unique<Impl>(dataset, std::move(options), log)) {}
DataLoader::~DataLoader() = default;

std::size_t DataLoader::size() const { return impl_->size(); }
int DataLoader::batches() const { return impl_->batches(); }
void DataLoader::start_epoch(int epoch, bool last) { impl_->start_epoch(epoch, last); }
void DataLoader::close_mosaic_from(int epoch) { impl_->close_mosaic_from(epoch); }
std::optional<HostBatch> DataLoader::next() { return impl_->next(); }
LoaderStats DataLoader::stats() const { return impl_->stats(); }

}  // namespace boxcar
