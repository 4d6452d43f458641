// A few threads for work on many files.
#pragma once

#include <cstddef>
#include <functional>

namespace boxcar {

/// Calls work(i) once for each i below `count`, on `threads` threads (0: one a core, at most 16), in no
/// certain order. After the first exception no new item is started; it is rethrown here.
void run_on_workers(std::size_t count, int threads, const std::function<void(std::size_t)>& work);

}  // namespace boxcar
