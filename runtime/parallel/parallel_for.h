// Loops over the compute threads (OpenMP's team, which the convolution library
// uses too). Loading and files have threads of their own and never come here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>

namespace boxcar {

/// Threads this process may run at once.
int available_threads();

/// A view of a callable; valid while the callable is.
template <class Signature>
class FunctionRef;
template <class R, class... A>
class FunctionRef<R(A...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>) FunctionRef(F&& f)  // NOLINT: implicit by design
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, A... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(static_cast<A>(args)...);
        }) {}
  R operator()(A... args) const { return call_(object_, static_cast<A>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, A...);
};

/// Calls body(begin, end) on disjoint ranges that cover 0..count. Where the
/// borders lie depends on `threads`, so results must not: reduce into slots
/// numbered by shape, never by thread. Ranges hold at least `grain` items.
/// The first exception thrown by a body is rethrown here.
void parallel_for(int threads, std::int64_t count, std::int64_t grain,
                  FunctionRef<void(std::int64_t begin, std::int64_t end)> body);

/// Calls body(thread, begin, end) on equal parts of 0..count, one for each thread: for bodies that need memory of their
/// own. Fewer where there are fewer items.
inline void for_each_thread(int threads, std::int64_t count,
                            FunctionRef<void(std::int64_t thread, std::int64_t begin, std::int64_t end)> body) {
  const std::int64_t parts = std::min<std::int64_t>(threads, count);
  parallel_for(threads, parts, 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t t = first; t < last; ++t) body(t, count * t / parts, count * (t + 1) / parts);
  });
}

}  // namespace boxcar
