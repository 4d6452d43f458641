#include "boxcar/trainers/args/config_file.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <set>
#include <sstream>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/atomic_file.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

constexpr std::uint64_t kLargestFile = 1 << 20;

/// Refuses aliases before a tree is built: a few lines of them can unfold into gigabytes.
class AliasGuard : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw YAML::ParserException(mark, "aliases are not supported");
  }
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

YAML::Node parse_document(const std::string& text, const std::string& origin) {
  try {
    std::istringstream in(text);
    AliasGuard guard;
    YAML::Parser(in).HandleNextDocument(guard);
    return YAML::Load(text);
  } catch (const YAML::Exception& e) {
    fail<ArgumentError>("{}: line {} is not valid YAML: {}", origin, e.mark.line + 1, e.msg);
  }
}

// The words of YAML 1.1; numbers are those of the command line, so that 1e-3 is one here too.
Setting scalar_setting(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!" || node.Tag() == "tag:yaml.org,2002:str") return text;
  for (const char* word : {"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
    if (text == word) return true;
  for (const char* word : {"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
    if (text == word) return false;
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  const Setting value = parse_setting(text);
  return value.is_integer() || value.is_number() ? value : Setting(text);
}

Setting node_setting(const YAML::Node& node, const std::string& key, const std::string& origin, int depth) {
  if (node.IsNull()) return {};
  if (node.IsScalar()) return scalar_setting(node);
  if (!node.IsSequence() || depth == 2)
    fail<ArgumentError>("{}: line {}: the value of {} must be a single value or a list of them", origin,
                        node.Mark().line + 1, quote(key));
  Setting::List list;
  for (const auto& item : node) list.push_back(node_setting(item, key, origin, depth + 1));
  return list;
}

}  // namespace

std::vector<std::pair<std::string, Setting>> read_yaml_settings(std::string_view text, const std::string& origin) {
  const YAML::Node root = parse_document(std::string(text), origin);
  if (root.IsNull()) return {};
  if (!root.IsMap()) fail<ArgumentError>("{}: must hold lines of the form 'argument: value'", origin);
  std::vector<std::pair<std::string, Setting>> out;
  std::set<std::string> seen;
  for (const auto& entry : root) {
    if (!entry.first.IsScalar())
      fail<ArgumentError>("{}: line {}: a key must be text", origin, entry.first.Mark().line + 1);
    const std::string key = entry.first.Scalar();
    if (!seen.insert(key).second) fail<ArgumentError>("{}: argument {} is given twice", origin, quote(key));
    out.emplace_back(key, node_setting(entry.second, key, origin, 0));
  }
  return out;
}

std::string read_config_text(const std::filesystem::path& file) {
  try {
    return read_file(file, kLargestFile);
  } catch (const IoError& e) {
    fail<IoError>("argument 'cfg': {}", e.what());
  }
}

}  // namespace boxcar
