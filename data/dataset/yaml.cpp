#include "boxcar/data/dataset/yaml.h"

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <sstream>
#include <vector>

#include "boxcar/data/dataset/yaml_scalar.h"
#include "boxcar/data/image/file_bytes.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

constexpr std::size_t kMostBytes = std::size_t{4} << 20;
constexpr int kMostNested = 32;

/// Sees the file's events before anything is built from them.
class Guard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { check(mark, "", anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "an alias (*name)"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string&) override {
    check(mark, tag, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    enter(mark, tag, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  [[noreturn]] static void refuse(const YAML::Mark& mark, const char* what) {
    fail<DataError>("line {}: {} is not supported here; write the value out", mark.line + 1, what);
  }
  static void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse(mark, "an anchor (&name)");
    if (!tag.empty() && tag != "?" && tag != "!" && tag != kTextTag) refuse(mark, "a tag (!name)");
  }
  void enter(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (++depth_ > kMostNested) refuse(mark, "nesting this deep");
  }
  int depth_ = 0;
};

void check_keys(const YAML::Node& node) {
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) check_keys(item);
    return;
  }
  if (!node.IsMap()) return;
  std::set<std::string> keys;
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) fail<DataError>("line {}: a key must be a plain value", entry.first.Mark().line + 1);
    if (!keys.insert(entry.first.Scalar()).second)
      fail<DataError>("line {}: the key '{}' is given twice", entry.first.Mark().line + 1, entry.first.Scalar());
    check_keys(entry.second);
  }
}

YAML::Node parse(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  Guard guard;
  parser.HandleNextDocument(guard);
  YAML::Node node = YAML::Load(text);
  if (!node.IsMap()) fail<DataError>("it must hold keys and values, such as 'train: images/train'");
  check_keys(node);
  return node;
}

bool is_quoted(const YAML::Node& node) { return node.Tag() == "!" || node.Tag() == kTextTag; }

}  // namespace

YAML::Node load_yaml_map(const std::filesystem::path& file) {
  const auto bytes = read_file_bytes(file, kMostBytes);
  try {
    return parse({bytes.begin(), bytes.end()});
  } catch (const DataError& e) {
    fail<DataError>("{}: {}", file.string(), e.what());
  } catch (const YAML::Exception& e) {
    fail<DataError>("{}: line {}: not valid YAML: {}", file.string(), e.mark.line + 1, e.msg);
  }
}

YamlKind yaml_kind(const YAML::Node& node) {
  if (!node.IsDefined() || node.IsNull()) return YamlKind::kNull;
  if (node.IsSequence()) return YamlKind::kList;
  if (node.IsMap()) return YamlKind::kMap;
  return is_quoted(node) ? YamlKind::kText : scalar_kind(node.Scalar());
}

std::string yaml_kind_name(YamlKind kind) {
  switch (kind) {
    case YamlKind::kNull:
      return "nothing";
    case YamlKind::kBool:
      return "a truth value";
    case YamlKind::kInteger:
    case YamlKind::kFloat:
      return "a number";
    case YamlKind::kText:
      return "text";
    case YamlKind::kList:
      return "a list";
    default:
      return "a map";
  }
}

std::string yaml_text(const YAML::Node& node) {
  if (yaml_kind(node) == YamlKind::kNull) return "None";
  return is_quoted(node) ? node.Scalar() : scalar_text(node.Scalar());
}

std::optional<long long> yaml_whole_number(const YAML::Node& node) {
  if (!node.IsDefined() || !node.IsScalar()) return {};
  const YamlKind kind = yaml_kind(node);
  if (kind == YamlKind::kBool || kind == YamlKind::kNull) return {};
  // Both integers and digits in quotes are read as digits; a float has to have nothing after its point.
  const std::string text = kind == YamlKind::kText ? node.Scalar() : scalar_text(node.Scalar());
  long long value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{}) return {};
  if (stop == end || (kind == YamlKind::kFloat && std::string_view(stop, end) == ".0")) return value;
  return {};
}

}  // namespace boxcar
