#include "boxcar/data/dataset/check.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "boxcar/data/dataset/image_list.h"
#include "boxcar/data/dataset/workers.h"
#include "boxcar/data/image/decode.h"
#include "boxcar/data/image/file_bytes.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostFileBytes = std::size_t{1} << 30;
constexpr double kSlack = 0.5;  // pixels a box may reach beyond its image: rounding in the label file

/// Size and hash of a file; files that agree in them are then compared byte by byte.
struct Fingerprint {
  std::size_t bytes = 0;
  std::uint64_t hash = 0;
  std::string damage;  // why strict decoding failed; empty: sound, or not tried
  auto key() const { return std::pair(bytes, hash); }
};

Fingerprint examine(const fs::path& file, bool decode) {
  Fingerprint f;
  try {
    const auto bytes = read_file_bytes(file, kMostFileBytes);
    f.bytes = bytes.size();
    f.hash = hash_name({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    if (decode) decode_image(bytes, file.string(), {.strict = true});
  } catch (const Error& e) {
    f.damage = e.what();
  }
  return f;
}

bool reaches_outside(const BoxLabel& b, const ScannedImage& image) {
  const double w = image.width, h = image.height;
  return (b.xc - b.w / 2) * w < -kSlack || (b.xc + b.w / 2) * w > w + kSlack || (b.yc - b.h / 2) * h < -kSlack ||
         (b.yc + b.h / 2) * h > h + kSlack;
}

void count_boxes(const ScanResult& scan, SplitReport& split) {
  for (const ScannedImage& image : scan.images)
    for (const BoxLabel& b : image.boxes) {
      ++split.objects[static_cast<std::size_t>(b.cls)];
      split.boxes_outside += reaches_outside(b, image);
      split.boxes_empty += b.w == 0 || b.h == 0;
    }
}

bool same_content(const fs::path& a, const fs::path& b) {
  return read_file_bytes(a, kMostFileBytes) == read_file_bytes(b, kMostFileBytes);
}

/// Collects files by fingerprint over all splits.
class Twins {
 public:
  void add(const fs::path& file, const std::string& split, const Fingerprint& f) {
    if (f.bytes > 0) groups_[f.key()].push_back({file, split});
  }
  std::vector<SameImages> find() const {
    std::vector<SameImages> out;
    for (const auto& [key, group] : groups_)
      if (group.size() > 1) add_same(group, out);
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.files.front() < b.files.front(); });
    return out;
  }

 private:
  struct Entry {
    fs::path file;
    std::string split;
  };
  static void add_same(std::vector<Entry> rest, std::vector<SameImages>& out) {
    while (rest.size() > 1) {
      // Those equal to the first go to the front; a file that vanished meanwhile equals none.
      const auto end = std::stable_partition(rest.begin() + 1, rest.end(),
                                             [&](const Entry& e) { return equal(rest.front().file, e.file); });
      if (end - rest.begin() > 1) out.push_back(group_of({rest.begin(), end}));
      rest.erase(rest.begin(), end);
    }
  }
  static bool equal(const fs::path& a, const fs::path& b) {
    try {
      return same_content(a, b);
    } catch (const Error&) {
      return false;
    }
  }
  static SameImages group_of(const std::vector<Entry>& entries) {
    SameImages same;
    std::set<std::string> splits;
    for (const Entry& e : entries) same.files.push_back(e.file), splits.insert(e.split);
    std::sort(same.files.begin(), same.files.end());
    same.in_several_splits = splits.size() > 1;
    return same;
  }

  std::map<std::pair<std::size_t, std::uint64_t>, std::vector<Entry>> groups_;
};

SplitReport check_split(const std::string& name, const std::vector<fs::path>& sources, const DataConfig& config,
                        bool decode, int threads, Twins& twins) {
  SplitReport split{.name = name};
  split.objects.assign(static_cast<std::size_t>(config.nc), 0);
  const std::vector<fs::path> files = list_images(sources);
  ScanResult scan = scan_images(files, {.num_classes = config.nc}, threads);
  split.counts = scan.counts;
  split.problems = std::move(scan.problems);
  count_boxes(scan, split);
  std::vector<Fingerprint> prints(scan.images.size());
  run_on_workers(prints.size(), threads, [&](std::size_t i) { prints[i] = examine(scan.images[i].path, decode); });
  for (std::size_t i = 0; i < prints.size(); ++i) {
    twins.add(scan.images[i].path, name, prints[i]);
    if (prints[i].damage.empty()) continue;
    ++split.damaged;
    split.problems.push_back({scan.images[i].path, false, prints[i].damage});
  }
  return split;
}

}  // namespace

int DataReport::images_in_several_splits() const {
  return static_cast<int>(
      std::count_if(same.begin(), same.end(), [](const SameImages& s) { return s.in_several_splits; }));
}

int DataReport::corrupt() const {
  int total = 0;
  for (const SplitReport& split : splits) total += split.counts.corrupt;
  return total;
}

long long DataReport::boxes_outside() const {
  long long total = 0;
  for (const SplitReport& split : splits) total += split.boxes_outside;
  return total;
}

std::string DataReport::summary() const {
  std::string images, classes;
  for (const SplitReport& split : splits)
    images += fmt::format("{}{} {}", images.empty() ? "" : ", ", split.counts.images, split.name);
  for (std::size_t c = 0; c < names.size(); ++c) {
    long long total = 0;
    for (const SplitReport& split : splits) total += split.objects[c];
    classes += fmt::format("{}{} {}", classes.empty() ? "" : ", ", names[c], total);
  }
  return fmt::format("{}; {}; {} corrupt images, {} images in both splits, {} boxes outside", images, classes,
                     corrupt(), images_in_several_splits(), boxes_outside());
}

DataReport check_data(const DataConfig& config, bool decode, int threads) {
  DataReport report{.names = config.names};
  Twins twins;
  const std::array<std::pair<const char*, const std::vector<fs::path>*>, 3> splits{
      {{"train", &config.train}, {"val", &config.val}, {"test", &config.test}}};
  for (const auto& [name, sources] : splits)
    if (!sources->empty()) report.splits.push_back(check_split(name, *sources, config, decode, threads, twins));
  report.same = twins.find();
  return report;
}

}  // namespace boxcar
