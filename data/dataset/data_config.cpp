#include "boxcar/data/dataset/data_config.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "boxcar/data/dataset/yaml.h"
#include "boxcar/data/dataset/yaml_file.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace fs = std::filesystem;
namespace {

constexpr long long kMostClasses = 100'000;
constexpr std::array<const char*, 3> kSplits{"train", "val", "test"};

/// One YAML file on its way to a DataConfig.
class Reader {
 public:
  Reader(fs::path file, const DataConfigOptions& options)
      : file_(std::move(file)), options_(options), yaml_(load_yaml_map(file_)) {}

  DataConfig read() {
    check_types();
    check_splits();
    DataConfig config;
    config.yaml = file_;
    config.names = read_names();
    config.nc = static_cast<int>(config.names.size());
    config.channels = read_channels();
    config.root = read_root();
    config.train = split_paths("train", config.root);
    config.val = split_paths("val", config.root);
    config.test = split_paths("test", config.root);
    check_existence(config);
    return config;
  }

 private:
  template <class... A>
  [[noreturn]] void refuse(fmt::format_string<A...> text, A&&... args) const {
    fail<DataError>("{}: {}", file_.string(), fmt::format(text, std::forward<A>(args)...));
  }

  YAML::Node value(const std::string& key) const { return std::as_const(yaml_)[key]; }
  YAML::Node split_value(const std::string& key) const {
    return key == "val" && !value("val").IsDefined() ? value("validation") : value(key);
  }

  void check_kind(const std::string& key, const YAML::Node& node, std::initializer_list<YamlKind> wanted,
                  std::string_view words) const {
    const YamlKind kind = yaml_kind(node);
    if (kind == YamlKind::kNull || std::find(wanted.begin(), wanted.end(), kind) != wanted.end()) return;
    refuse("'{}' must be {}, not {}", key, words, yaml_kind_name(kind));
  }
  void check_types() const {
    check_kind("path", value("path"), {YamlKind::kText}, "text");
    for (const std::string key : kSplits) {
      const YAML::Node node = split_value(key);
      check_kind(key, node, {YamlKind::kText, YamlKind::kList}, "text or a list of texts");
      if (node.IsDefined() && node.IsSequence())
        for (const YAML::Node& item : node)
          if (yaml_kind(item) != YamlKind::kText) refuse("'{}' must be text or a list of texts", key);
    }
    check_kind("names", value("names"), {YamlKind::kList, YamlKind::kMap}, "a list or a map");
  }
  void check_splits() const {
    for (const std::string key : {"train", "val"})
      if (!split_value(key).IsDefined()) refuse("the key '{}:' is missing; both train: and val: are required", key);
    if (!value("val").IsDefined()) options_.log.warning("{}: 'validation:' is used as 'val:'", file_.string());
    const std::string& split = options_.split;
    if (split.empty()) return;
    if (std::find(kSplits.begin(), kSplits.end(), split) == kSplits.end())
      fail<ArgumentError>("split={} is not one of train, val, test", split);
    const YAML::Node node = split_value(split);
    const bool empty = yaml_kind(node) == YamlKind::kNull || (node.IsSequence() && node.size() == 0);
    if (empty) refuse("the split '{}' was asked for, but the file does not give it", split);
  }

  std::vector<std::string> read_names() const {
    const YAML::Node names = value("names"), nc = value("nc");
    const bool have_names = yaml_kind(names) != YamlKind::kNull;
    if (!have_names && !nc.IsDefined()) refuse("either 'names:' or 'nc:' is required");
    const long long count = nc.IsDefined() ? read_nc(nc) : static_cast<long long>(names.size());
    if (!have_names) return numbered_names(count);
    if (count != static_cast<long long>(names.size()))
      refuse("'nc: {}' and the {} 'names' do not agree", count, names.size());
    if (names.size() == 0) refuse("'names' is empty");
    if (count > kMostClasses) refuse("'names' has {} entries; at most {} classes are accepted", count, kMostClasses);
    return names.IsSequence() ? listed_names(names) : mapped_names(names);
  }
  long long read_nc(const YAML::Node& nc) const {
    const auto count = yaml_whole_number(nc);
    if (!count) refuse("'nc' must be a whole number, not {}", nc.IsScalar() ? nc.Scalar() : "a list or map");
    if (*count < 1 || *count > kMostClasses) refuse("'nc' is {}; it must be within 1 and {}", *count, kMostClasses);
    return *count;
  }
  static std::vector<std::string> numbered_names(long long count) {
    std::vector<std::string> names;
    for (long long i = 0; i < count; ++i) names.push_back(fmt::format("class_{}", i));
    return names;
  }
  std::string name_text(const YAML::Node& node) const {
    if (node.IsSequence() || node.IsMap()) refuse("line {}: a class name must be text", node.Mark().line + 1);
    return yaml_text(node);
  }
  std::vector<std::string> listed_names(const YAML::Node& list) const {
    std::vector<std::string> names;
    for (const YAML::Node& name : list) names.push_back(name_text(name));
    return names;
  }
  std::vector<std::string> mapped_names(const YAML::Node& map) const {
    std::map<long long, std::string> by_id;
    for (const auto& entry : map) {
      const auto id = yaml_whole_number(entry.first);
      if (!id) refuse("the class id '{}' in 'names' is not a whole number", entry.first.Scalar());
      if (*id < 0 || *id >= static_cast<long long>(map.size()))
        refuse("the class id {} in 'names' is outside 0 to {}; {} names need those ids", *id, map.size() - 1,
               map.size());
      if (!by_id.emplace(*id, name_text(entry.second)).second) refuse("the class id {} in 'names' is given twice", *id);
    }
    std::vector<std::string> names;
    for (auto& [id, name] : by_id) names.push_back(std::move(name));
    return names;
  }

  int read_channels() const {
    const YAML::Node node = value("channels");
    if (yaml_kind(node) == YamlKind::kNull) return 3;
    const auto count = yaml_whole_number(node);
    if (!count || (*count != 1 && *count != 3))
      refuse("'channels' must be 3 (colour) or 1 (grey), not {}", node.IsScalar() ? node.Scalar() : "a list or map");
    return static_cast<int>(*count);
  }

  /// Links and dots resolved as far as the path exists.
  fs::path resolved(const fs::path& path) const {
    const fs::path absolute = options_.working_folder / path;
    std::error_code error;
    const fs::path real = fs::weakly_canonical(absolute, error);
    return error ? absolute.lexically_normal() : real;
  }
  bool exists(const fs::path& path) const {
    std::error_code ignored;
    return fs::exists(options_.working_folder / path, ignored);
  }
  fs::path expanded(const std::string& text) const {
    if (options_.home.empty() || (text != "~" && !text.starts_with("~/"))) return text;
    return text == "~" ? options_.home : options_.home / text.substr(2);
  }
  fs::path read_root() const {
    const YAML::Node node = value("path");
    const std::string text = yaml_kind(node) == YamlKind::kNull ? "" : node.Scalar();
    if (text.empty()) return resolved(file_.parent_path());
    const fs::path root = expanded(text);
    return root.is_relative() && !exists(root) ? resolved(options_.datasets_folder / root) : resolved(root);
  }
  std::vector<fs::path> split_paths(const std::string& key, const fs::path& root) const {
    const YAML::Node node = split_value(key);
    std::vector<fs::path> paths;
    if (yaml_kind(node) == YamlKind::kNull) return paths;
    if (node.IsSequence()) {
      for (const YAML::Node& item : node) paths.push_back(resolved(root / expanded(item.Scalar())));
      return paths;
    }
    const std::string text = node.Scalar();
    if (text.empty()) return paths;
    fs::path path = resolved(root / expanded(text));
    if (!exists(path) && text.starts_with("../")) path = resolved(root / text.substr(3));
    return {path};
  }
  void check_existence(const DataConfig& config) const {
    const std::string split = options_.split.empty() ? "val" : options_.split;
    for (const fs::path& path : split == "train" ? config.train : split == "test" ? config.test : config.val) {
      if (exists(path)) continue;
      const bool download = yaml_kind(value("download")) != YamlKind::kNull;
      refuse("the {} images {} do not exist{}", split, path.string(),
             download ? "; 'download:' is not supported: fetch the data set yourself and put it there"
                      : "; mend 'path:' or '" + split + ":', or the folder of data sets");
    }
  }

  fs::path file_;
  const DataConfigOptions& options_;
  YAML::Node yaml_;
};

}  // namespace

DataConfig load_data_config(const std::string& what, const DataConfigOptions& options) {
  return Reader(find_data_yaml(what, options), options).read();
}

}  // namespace boxcar
