// Which file a model's name means.
#include <fmt/core.h>

#include <cstdint>
#include <filesystem>

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxBytes = 1 << 20;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return c != '\0' && std::string_view("nsmlx").find(c) != std::string_view::npos; }

/// Position of the first scale letter that follows a digit, or npos.
std::size_t letter_after_digit(std::string_view stem) {
  for (std::size_t i = 1; i < stem.size(); ++i) {
    if (digit(stem[i - 1]) && letter(stem[i])) return i;
  }
  return std::string_view::npos;
}

/// yolov5n6 ... yolov8x6 are old names of yolov5n-p6 ... yolov8x-p6.
std::string modern_name(const std::string& file) {
  const fs::path path(file);
  const std::string stem = path.stem().string();
  const bool old = stem.size() == 8 && stem.starts_with("yolov") && stem[5] >= '5' && stem[5] <= '8' &&
                   letter(stem[6]) && stem[7] == '6';
  if (!old) return file;
  return (path.parent_path() / (stem.substr(0, 7) + "-p6" + path.extension().string())).string();
}

struct Found {
  std::string file, text;
};

/// Looks for a file, then, if the name has no folder, among the built-in ones.
std::optional<Found> find_file(const std::string& name, const BuiltinModels& builtin) {
  std::error_code error;
  if (fs::is_regular_file(name, error)) return Found{name, read_file(name, kMaxBytes)};
  if (!builtin || fs::path(name).has_parent_path()) return std::nullopt;
  if (auto text = builtin(name)) return Found{name + " (built in)", std::move(*text)};
  return std::nullopt;
}

Found resolve(const std::string& name, const BuiltinModels& builtin) {
  const std::string shorter = without_scale_letter(name);
  for (const std::string& candidate : {name, modern_name(name), shorter, without_scale_letter(modern_name(name))}) {
    if (auto found = find_file(candidate, builtin)) return std::move(*found);
  }
  fail<ModelError>(
      "the model file '{}' does not exist{}, as a file or among the built-in models; check the name and the folder",
      name, shorter == name ? "" : fmt::format(" (nor does '{}')", shorter));
}

}  // namespace

std::string scale_from_file_name(const std::string& file) {
  const std::string stem = fs::path(file).stem().string();
  for (std::size_t at = stem.find("yolo"); at != stem.npos; at = stem.find("yolo", at + 1)) {
    std::size_t i = at + 4;
    if (stem.compare(i, 2, "e-") == 0) i += 2;
    if (i < stem.size() && stem[i] == 'v') ++i;
    const std::size_t first_digit = i;
    while (i < stem.size() && digit(stem[i])) ++i;
    if (i > first_digit && i < stem.size() && letter(stem[i])) return stem.substr(i, 1);
  }
  return "";
}

std::string without_scale_letter(const std::string& file) {
  const fs::path path(file);
  std::string stem = path.stem().string();
  const std::size_t at = letter_after_digit(stem);
  if (at == std::string::npos) return file;
  stem.erase(at, 1);
  return (path.parent_path() / (stem + path.extension().string())).string();
}

ModelSpec load_model_spec(const std::string& file_or_name, const ModelSpecOptions& options,
                          const BuiltinModels& builtin) {
  const std::string extension = fs::path(file_or_name).extension().string();
  if (extension != ".yaml" && extension != ".yml") {
    fail<ModelError>("'{}' is no model file: its name must end in .yaml or .yml", file_or_name);
  }
  const Found found = resolve(file_or_name, builtin);
  ModelSpecOptions with_scale = options;
  if (with_scale.scale.empty()) with_scale.scale = scale_from_file_name(file_or_name);
  return parse_model_spec(found.text, found.file, with_scale);
}

}  // namespace boxcar
