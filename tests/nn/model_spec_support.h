// Shared by the tests of model files.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/runtime/base/error.h"
#include "support/files.h"

namespace boxcar::test {

/// The model files of the tree, as the program carries them.
inline std::optional<std::string> builtin(std::string name) {
  const auto file = std::filesystem::path(BOXCAR_SOURCE_DIR) / "cfg" / "models" / name;
  if (!std::filesystem::is_regular_file(file)) return std::nullopt;
  return read_plainly(file);
}

/// Expects one ModelError of one sentence, which starts with the file and holds `part`.
inline void expect_refused(const std::string& text, const std::string& part, const ModelSpecOptions& options = {}) {
  std::string message;
  try {
    parse_model_spec(text, "net.yaml", options);
  } catch (const ModelError& e) {
    message = e.what();
  }
  const std::string shown = text.substr(0, 500);
  EXPECT_NE(message.find(part), std::string::npos) << "got: " << message << "\nwanted: " << part << "\nfor:\n" << shown;
  EXPECT_EQ(message.find("net.yaml"), 0u) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  EXPECT_LT(message.size(), 600u) << message;
}

/// A small network whose row 1 is `row`; its input has 16 channels.
inline std::string with_row(const std::string& row, const std::string& keys = "nc: 2") {
  return keys + "\nbackbone:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - " + row +
         "\nhead:\n  - [-1, 1, Conv, [16, 3, 2]]\n  - [[2], 1, Detect, [nc]]\n";
}

template <class T>
T spec_of(const std::string& row, const std::string& keys = "nc: 2") {
  return std::get<T>(parse_model_spec(with_row(row, keys), "net.yaml").layers.at(1).spec);
}

/// Messages that a call logged.
struct Messages {
  std::vector<std::string> warnings, infos;
  Log log() {
    return Log([this](LogLevel level, std::string_view text) {
      (level == LogLevel::kWarning ? warnings : infos).emplace_back(text);
    });
  }
};

}  // namespace boxcar::test
