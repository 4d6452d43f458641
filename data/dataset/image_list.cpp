#include "boxcar/data/dataset/image_list.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>

#include "boxcar/data/image/file_bytes.h"
#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

using Paths = std::vector<fs::path>;

constexpr std::array<std::string_view, 13> kSuffixes{"avif", "bmp", "dng", "heic", "heif", "jp2", "jpeg",
                                                     "jpg",  "mpo", "png", "tif",  "tiff", "webp"};
constexpr std::size_t kMostListBytes = std::size_t{256} << 20;

/// Folders that are links are followed, but never into a folder that we are in already.
void walk(const fs::path& folder, Paths& inside, Paths& out) {
  std::error_code error;
  const fs::path real = fs::canonical(folder, error);
  if (error) fail<DataError>("cannot list the folder {}: {}", folder.string(), error.message());
  if (std::find(inside.begin(), inside.end(), real) != inside.end()) return;
  inside.push_back(real);
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->path().filename().native().front() == '.') continue;
    std::error_code ignored;  // a link that leads nowhere is neither
    if (it->is_directory(ignored))
      walk(it->path(), inside, out);
    else if (it->is_regular_file(ignored) && has_image_suffix(it->path()))
      out.push_back(it->path());
  }
  if (error) fail<DataError>("cannot list the folder {}: {}", folder.string(), error.message());
  inside.pop_back();
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kSpace = " \t\r\v\f";
  const std::size_t first = line.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kSpace) - first + 1);
}

void read_list(const fs::path& file, Paths& out) {
  const auto bytes = read_file_bytes(file, kMostListBytes);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    const fs::path path = line.starts_with("./") ? file.parent_path() / line.substr(2) : fs::path(line);
    if (has_image_suffix(path)) out.push_back(path);
  }
}

std::string joined(std::span<const fs::path> paths) {
  std::string text;
  for (const fs::path& p : paths) text += (text.empty() ? "" : ", ") + p.string();
  return text;
}

}  // namespace

bool has_image_suffix(const fs::path& file) {
  return std::find(kSuffixes.begin(), kSuffixes.end(), lower_suffix(file)) != kSuffixes.end();
}

Paths list_images(std::span<const fs::path> sources) {
  Paths out;
  for (const fs::path& source : sources) {
    std::error_code ignored;
    Paths inside;
    if (fs::is_directory(source, ignored))
      walk(source, inside, out);
    else if (fs::is_regular_file(source, ignored))
      read_list(source, out);
    else
      fail<DataError>("{} is neither a folder of images nor a text file that lists them", source.string());
  }
  if (out.empty())
    fail<DataError>("no images in {}; wanted are files that end in .jpg, .jpeg, .png or .bmp", joined(sources));
  std::sort(out.begin(), out.end(), [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return out;
}

std::size_t fraction_count(std::size_t count, double fraction) {
  const bool whole = fraction == std::floor(fraction);
  if (!(fraction > 0) || (fraction > 1 && !whole))
    fail<ArgumentError>("fraction={} is not a share between 0 and 1, nor a whole number of images", fraction);
  if (fraction == 1 || fraction >= static_cast<double>(count)) return count;
  if (fraction > 1) return static_cast<std::size_t>(fraction);
  return std::max<std::size_t>(1, static_cast<std::size_t>(std::nearbyint(static_cast<double>(count) * fraction)));
}

fs::path label_path(const fs::path& image) {
  constexpr std::string_view kImages = "/images/", kLabels = "/labels/";
  std::string text = image.string();
  if (const std::size_t at = text.rfind(kImages); at != std::string::npos) text.replace(at, kImages.size(), kLabels);
  const std::size_t dot = text.rfind('.'), slash = text.rfind('/');
  if (dot != std::string::npos && (slash == std::string::npos || dot > slash)) text.erase(dot);
  return text + ".txt";
}

}  // namespace boxcar
