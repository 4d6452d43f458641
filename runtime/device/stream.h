// An in-order queue of work on one device, with that device's memory.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <memory_resource>
#include <typeindex>

#include "boxcar/runtime/device/device.h"
#include "boxcar/runtime/memory/pool.h"

namespace boxcar {

class StreamEvent;
class Graph;
class Profiler;
class StreamBackend;

struct StreamOptions {
  /// CPU threads that ops on this stream use; 0: as many as the process may run at once. Where CUDA is emulated they
  /// share the blocks of a grid; 0: one.
  int threads = 0;
  /// Ops are checked and handed to the profiler but not computed, so that memory of theirs is never touched: counts
  /// what a network does, of any size, at once. Copies and fills are made. CPU only (DeviceError).
  bool dry_run = false;
};

/// The first argument of every op. Not thread-safe: one thread issues work at a time.
class Stream {
 public:
  /// Throws DeviceError if the device is not there.
  explicit Stream(Device device = Device::cpu(), StreamOptions options = {});
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  Device device() const { return device_; }
  int threads() const { return threads_; }
  bool dry_run() const { return dry_run_; }
  const std::shared_ptr<MemoryPool>& pool() const { return pool_; }
  /// Takes memory from another pool of the same device from now on; returns the pool in use before.
  std::shared_ptr<MemoryPool> exchange_pool(std::shared_ptr<MemoryPool> pool);
  /// The pool, for the vectors that an op needs while it runs: std::pmr::vector<float> sums(n, stream.scratch()). CPU
  /// only, as host code reads and writes them (DeviceError).
  std::pmr::memory_resource* scratch() const;

  /// Waits until all work issued so far is done. Returns at once on the CPU.
  void synchronize();
  /// In stream order. The ranges must not overlap. Host memory may be read or written as late
  /// as synchronize(): keep it until then.
  void copy(void* to, const void* from, std::size_t bytes);
  void fill(void* to, int byte, std::size_t bytes);

  /// Work issued from now on starts after the work before the event's last record() is done.
  /// An event that was never recorded is not waited for.
  void wait(StreamEvent& event);

  /// Until end_capture(), work is recorded with its arguments and not run. CUDA only (DeviceError); synchronize() and
  /// events are refused meanwhile. Memory that is freed meanwhile is used by each launch of the graph: the pool must be
  /// one from which nothing is taken later that outlives a launch (exchange_pool), and must have seen the same work
  /// before, as it cannot get more from the system.
  void begin_capture();
  Graph end_capture();
  bool capturing() const { return capturing_; }

  /// Who times the ops of this stream, or null; the caller keeps it alive until it is taken away again.
  Profiler* profiler() const { return profiler_; }
  void set_profiler(Profiler* profiler) { profiler_ = profiler; }

  StreamBackend& backend() { return *backend_; }

  /// An object that belongs to this stream (a library handle, a cache of plans), made on
  /// first use with T(Stream&).
  template <class T>
  T& resource() {
    auto& slot = resources_[std::type_index(typeid(T))];
    if (!slot) slot = std::make_shared<T>(*this);
    return *static_cast<T*>(slot.get());
  }

 private:
  Device device_;
  int threads_;
  bool dry_run_;
  bool capturing_ = false;
  Profiler* profiler_ = nullptr;
  std::shared_ptr<MemoryPool> pool_;
  std::unique_ptr<StreamBackend> backend_;
  std::map<std::type_index, std::shared_ptr<void>> resources_;
};

}  // namespace boxcar
