// Every failure boxcar reports is an exception below boxcar::Error, with one
// sentence that names what came, what was wanted and the remedy.
#pragma once

#include <fmt/core.h>

#include <stdexcept>
#include <utility>

namespace boxcar {

struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// A bad argument of the command line or the API.
struct ArgumentError : Error {
  using Error::Error;
};
/// A data set, label or image that cannot be used.
struct DataError : Error {
  using Error::Error;
};
/// A model file or network description that cannot be built.
struct ModelError : Error {
  using Error::Error;
};
/// Tensors whose shapes or types do not fit an op.
struct ShapeError : Error {
  using Error::Error;
};
/// A file that cannot be read or written.
struct IoError : Error {
  using Error::Error;
};
/// A device that is absent or failed.
struct DeviceError : Error {
  using Error::Error;
};
struct OutOfMemory : Error {
  using Error::Error;
};
/// Another rank of a distributed run was lost.
struct RankError : Error {
  using Error::Error;
};

/// Throws `E` with a formatted sentence: fail<ShapeError>("conv: {} != {}", a, b).
template <class E = Error, class... A>
[[noreturn]] void fail(fmt::format_string<A...> text, A&&... args) {
  throw E(fmt::format(text, std::forward<A>(args)...));
}

}  // namespace boxcar
