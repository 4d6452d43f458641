#include "boxcar/trainers/engine/predict_sources.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <system_error>

#include "boxcar/data/dataset/image_list.h"
#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/trainers/engine/glob.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxListBytes = std::uint64_t{256} << 20;

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_list(const fs::path& file) {
  const std::string suffix = lower_suffix(file);
  return suffix == "txt" || suffix == "csv";
}

bool is_video(const fs::path& file) {
  static constexpr std::array<std::string_view, 12> kVideos{"asf", "avi",  "gif", "m4v", "mkv", "mov",
                                                            "mp4", "mpeg", "mpg", "ts",  "wmv", "webm"};
  return std::ranges::find(kVideos, lower_suffix(file)) != kVideos.end();
}

// "screen 1", "screen 0 100 100 512 256".
bool is_screen(const std::string& source) {
  return source.starts_with("screen") && source.find_first_not_of("0123456789 ", 6) == std::string::npos;
}

void refuse_streams(const std::string& source) {
  const bool camera = !source.empty() && source.find_first_not_of("0123456789") == std::string::npos;
  if (source.find("://") != std::string::npos || camera || is_screen(source) || lower_suffix(source) == "streams") {
    fail<ArgumentError>(
        "source={} is a stream or an address; this version predicts on image files: give an image, a "
        "folder, a pattern or a list",
        source);
  }
}

std::vector<fs::path> files_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (!it->path().filename().string().starts_with(".") && is_file(it->path())) files.push_back(it->path());
  }
  if (error) fail<IoError>("the folder '{}' cannot be read: {}", folder.string(), error.message());
  std::ranges::sort(files);
  return files;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r";
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

// The cells of a line of CSV: "..." keeps commas, and "" within it is a quote.
std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"' && quoted && i + 1 < line.size() && line[i + 1] == '"') {
      cells.back() += line[++i];
    } else if (line[i] == '"') {
      quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      cells.emplace_back();
    } else {
      cells.back() += line[i];
    }
  }
  return cells;
}

std::vector<std::string> entries_of(const fs::path& list) {
  const std::string text = read_file(list, kMaxListBytes);
  const bool csv = lower_suffix(list) == "csv";
  std::vector<std::string> entries;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trimmed(std::string_view(text).substr(at, end - at));
    const std::vector<std::string> cells = csv ? cells_of(line) : std::vector<std::string>{std::string(line)};
    for (const std::string& cell : cells) {
      const std::string entry(trimmed(cell));
      if (!entry.empty() && !(csv && at == 0 && entry == "source")) entries.push_back(entry);
    }
    at = end + 1;
  }
  return entries;
}

// Files of anything but a list; nothing where it does not exist, or no file has the pattern.
std::optional<std::vector<fs::path>> files_of(const std::string& source) {
  if (is_file(source)) return std::vector<fs::path>{source};
  if (is_folder(source)) return files_of_folder(source);
  refuse_streams(source);
  std::vector<fs::path> files = glob_files(source);
  if (files.empty()) return std::nullopt;
  return files;
}

std::vector<fs::path> files_of_list(const fs::path& list) {
  std::vector<fs::path> files;
  for (const std::string& entry : entries_of(list)) {
    auto found = files_of(entry);
    if (!found) found = files_of((list.parent_path() / entry).string());
    if (!found) fail<DataError>("{}: '{}' does not exist", list.string(), entry);
    files.insert(files.end(), found->begin(), found->end());
  }
  return files;
}

std::vector<fs::path> files_of_any(const std::string& source) {
  if (is_file(source) && is_list(source)) return files_of_list(source);
  auto files = files_of(source);
  if (!files) fail<DataError>("source={} does not exist", source);
  return std::move(*files);
}

}  // namespace

std::vector<fs::path> predict_sources(const std::string& source, const Log& log) {
  if (is_video(source)) fail<ArgumentError>("source={} is a video; this version predicts on images", source);
  std::vector<fs::path> files = files_of_any(source);
  const auto videos = std::ranges::count_if(files, is_video);
  if (videos > 0) log.warning("source={}: {} videos are left out; this version predicts on images", source, videos);
  std::erase_if(files, [](const fs::path& file) { return !has_image_suffix(file) || is_video(file); });
  if (files.empty()) fail<DataError>("source={} holds no images", source);
  return files;
}

}  // namespace boxcar
