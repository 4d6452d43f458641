// Reads a pickle as data. Python's own reader calls whatever the file asks for; this one calls nothing.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "boxcar/runtime/files/pickle_value.h"

namespace boxcar {

/// What a reader makes of the two places where a pickle refers to code or to data outside itself. Implementations
/// return plain values or throw IoError (a sentence without the file's name); they never act on the file's behalf.
class PickleMeaning {
 public:
  virtual ~PickleMeaning() = default;
  /// The file asks to call `function` ("module.name") with `arguments`, usually a tuple.
  virtual PickleValue call(const std::string& function, const PickleValue& arguments) = 0;
  /// The file refers to something outside by `id`.
  virtual PickleValue outside(const PickleValue& id) = 0;
};

/// Bounds on what a small file may ask for.
inline constexpr std::size_t kLargestPickleDepth = 1000;
inline constexpr std::size_t kMostPickleValues = 2'000'000;  // lists, dicts, texts and the like

/// The value of a pickle of protocol 2 to 5, its binary opcodes that build data. Objects become inert records; where a
/// value contains itself, the inner mention becomes a kCycle, so that the result can be walked. Globals are named
/// "module.name", with Python 2's __builtin__ as builtins. Throws IoError, a sentence about the content without the
/// file's name: malformed or cut short, nested or populous beyond the bounds, an opcode that is not for data.
PickleValue read_pickle(std::string_view bytes, PickleMeaning& meaning);

}  // namespace boxcar
