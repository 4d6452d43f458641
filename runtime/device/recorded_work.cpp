#include "boxcar/runtime/device/recorded_work.h"

#include <utility>

#include "boxcar/runtime/device/stream.h"

namespace boxcar {
namespace {

class UsePool {
 public:
  UsePool(Stream& stream, const std::shared_ptr<MemoryPool>& pool)
      : stream_(stream), before_(stream.exchange_pool(pool)) {}
  ~UsePool() { stream_.exchange_pool(std::move(before_)); }
  UsePool(const UsePool&) = delete;
  UsePool& operator=(const UsePool&) = delete;

 private:
  Stream& stream_;
  std::shared_ptr<MemoryPool> before_;
};

// What was recorded up to a failure is of no use, and ending the recording may fail in turn.
void abandon_capture(Stream& stream) noexcept {
  try {
    static_cast<void>(stream.end_capture());
  } catch (const Error&) {
  }
}

Graph record(Stream& stream, const std::function<void()>& work) {
  stream.begin_capture();
  try {
    work();
  } catch (const Error& error) {
    abandon_capture(stream);
    throw CannotRecord(error.what());
  } catch (...) {
    abandon_capture(stream);
    throw;
  }
  try {
    return stream.end_capture();
  } catch (const Error& error) {
    throw CannotRecord(error.what());
  }
}

}  // namespace

void RecordedWork::issue(Stream& stream, const std::shared_ptr<MemoryPool>& memory, const std::function<void()>& work) {
  const UsePool pool(stream, memory);
  work();
}

RecordedWork::Way RecordedWork::run(Stream& stream, const std::shared_ptr<MemoryPool>& memory,
                                    const std::function<void()>& work) {
  if (graph_) {
    graph_->launch(stream);
    return Way::kReplayed;
  }
  const UsePool pool(stream, memory);
  if (issued_ < kIssuedFirst) {
    work();
    ++issued_;
    return Way::kIssued;
  }
  graph_.emplace(record(stream, work));
  graph_->launch(stream);
  return Way::kRecorded;
}

}  // namespace boxcar
