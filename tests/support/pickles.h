// Pickles and .pt files put together by hand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "boxcar/runtime/files/stored_zip_writer.h"
#include "support/files.h"
#include "support/folder.h"

namespace boxcar::test {

inline std::string little_endian(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}
/// Opcodes, each as a piece of a pickle.
inline std::string text_op(std::string_view text) { return "X" + little_endian(text.size(), 4) + std::string(text); }
inline std::string int_op(std::int32_t value) { return "J" + little_endian(static_cast<std::uint32_t>(value), 4); }
inline std::string global_op(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
/// A whole pickle: header, body, STOP.
inline std::string pickle_of(const std::string& body) { return "\x80\x02" + body + "."; }

struct TensorOps {
  std::string storage = "FloatStorage", key = "0";
  int elements = 4, offset = 0;
  std::string sizes = int_op(2) + int_op(2), strides = int_op(2) + int_op(1);
  /// A call of _rebuild_tensor_v2.
  std::string ops() const {
    return global_op("torch._utils", "_rebuild_tensor_v2") + "((" + text_op("storage") + global_op("torch", storage) +
           text_op(key) + text_op("cpu") + int_op(elements) + "tQ" + int_op(offset) + "(" + sizes + "t(" + strides +
           "t\x89" + global_op("collections", "OrderedDict") + ")RtR";
  }
};

/// A .pt file with this description and storage 0 = the f32 numbers 0, 1, 2, 3.
inline std::filesystem::path write_pt(const Folder& folder, const std::string& pickle) {
  const float numbers[4] = {0, 1, 2, 3};
  const auto path = folder / "file.pt";
  StoredZipWriter zip(path);
  zip.add("a/data.pkl", pickle);
  zip.add("a/data/0", std::as_bytes(std::span(numbers)));
  zip.commit();
  return path;
}

}  // namespace boxcar::test
