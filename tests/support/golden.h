// Golden numbers of the reference, read from the folder BOXCAR_SHARED.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "boxcar/runtime/base/dtype.h"

namespace boxcar::test {

/// A file or folder below BOXCAR_SHARED, e.g. shared("golden/model/modules.json").
std::filesystem::path shared(const std::string& relative);
/// Whether BOXCAR_SHARED is there.
bool have_shared();

/// Skips the test, saying why, where BOXCAR_SHARED is absent; fails instead when CI=true.
#define BOXCAR_NEED_SHARED()                                                                 \
  do {                                                                                       \
    if (!::boxcar::test::have_shared()) {                                                    \
      if (::boxcar::test::in_ci()) GTEST_FAIL() << ::boxcar::test::missing_shared_message(); \
      GTEST_SKIP() << ::boxcar::test::missing_shared_message();                              \
    }                                                                                        \
  } while (false)
bool in_ci();
std::string missing_shared_message();

nlohmann::json read_json(const std::filesystem::path& file);

/// A tensor of a golden file, as stored: row-major in the reference's own layout.
struct GoldenTensor {
  DType dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
  /// f32 or f64 or integer elements as double / float.
  std::vector<float> floats() const;
  std::vector<double> doubles() const;
  std::vector<std::int64_t> integers() const;
};

/// All tensors of a golden .safetensors file. A small reader of its own, so that the
/// product's reader can be tested against it.
std::map<std::string, GoldenTensor> read_golden(const std::filesystem::path& file);

/// Largest |a - b|; infinity when sizes differ or a value is NaN.
double max_difference(const std::vector<float>& a, const std::vector<float>& b);
double max_abs(const std::vector<float>& a);

/// [N,C,H,W] to NHWC order and back.
std::vector<float> to_nhwc(const std::vector<float>& nchw, int n, int c, int h, int w);
std::vector<float> to_nchw(const std::vector<float>& nhwc, int n, int h, int w, int c);

}  // namespace boxcar::test
