#include "boxcar/runtime/parallel/parallel_for.h"

#include <omp.h>

#include <algorithm>
#include <exception>
#include <mutex>

namespace boxcar {

int available_threads() { return omp_get_num_procs(); }

void parallel_for(int threads, std::int64_t count, std::int64_t grain,
                  FunctionRef<void(std::int64_t, std::int64_t)> body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  const std::int64_t parts = std::min<std::int64_t>(threads, (count + grain - 1) / grain);
  if (parts <= 1) {
    body(0, count);
    return;
  }
  std::exception_ptr error;
  std::mutex mutex;
#pragma omp parallel for num_threads(static_cast <int>(parts)) schedule(static, 1)
  for (std::int64_t part = 0; part < parts; ++part) {
    try {
      body(count * part / parts, count * (part + 1) / parts);
    } catch (...) {
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace boxcar
