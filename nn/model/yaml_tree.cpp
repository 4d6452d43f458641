#include "boxcar/nn/model/yaml_tree.h"

#include <fmt/core.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>

#include "boxcar/runtime/base/error.h"

namespace boxcar::model {
namespace {

constexpr std::size_t kMaxBytes = 1 << 20, kMaxValues = 100000, kMaxDepth = 16, kMaxKeys = 1000;

/// Builds the tree from the parser's events, so that nothing is expanded before it is checked.
class TreeBuilder final : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) {}
  const YamlNode* root() const { return done_ ? &root_ : nullptr; }
  YamlNode take() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    add(mark, {.text = "null", .line = mark.line + 1});
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse(mark, "an alias (*name)"); }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    add(mark, {.text = value, .quoted = tag == "!", .line = mark.line + 1});
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::kList);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, YamlNode::Kind::kMap);
  }
  void OnMapEnd() override { close(); }

 private:
  [[noreturn]] void refuse(const YAML::Mark& mark, std::string_view what) const {
    fail<ModelError>("{}:{}: {} is not allowed in a model file; write the values out", file_, mark.line + 1, what);
  }

  void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse(mark, "an anchor (&name)");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, fmt::format("the tag '{}'", shown(tag)));
    if (++values_ > kMaxValues) refuse(mark, fmt::format("a file of more than {} values", kMaxValues));
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YamlNode::Kind kind) {
    check(mark, tag, anchor);
    if (open_.size() >= kMaxDepth) refuse(mark, fmt::format("nesting deeper than {}", kMaxDepth));
    if (awaits_key()) refuse(mark, "a list or map as a key");
    open_.push_back({.kind = kind, .line = mark.line + 1});
  }

  void close() {
    YamlNode node = std::move(open_.back());
    open_.pop_back();
    place(std::move(node));
  }

  bool awaits_key() const {
    return !open_.empty() && open_.back().kind == YamlNode::Kind::kMap &&
           open_.back().keys.size() == open_.back().items.size();
  }

  void add(const YAML::Mark& mark, YamlNode node) {
    if (!awaits_key()) return place(std::move(node));
    auto& keys = open_.back().keys;
    if (keys.size() >= kMaxKeys) refuse(mark, fmt::format("a map of more than {} keys", kMaxKeys));
    if (std::find(keys.begin(), keys.end(), node.text) != keys.end()) {
      fail<ModelError>("{}:{}: the key '{}' is given twice; keep one of them", file_, mark.line + 1, shown(node.text));
    }
    keys.push_back(std::move(node.text));
  }

  void place(YamlNode node) {
    if (!open_.empty()) {
      open_.back().items.push_back(std::move(node));
      return;
    }
    root_ = std::move(node);
    done_ = true;
  }

  const std::string& file_;
  std::size_t values_ = 0;
  std::vector<YamlNode> open_;  // from the outermost inwards
  YamlNode root_;
  bool done_ = false;
};

struct NoEvents final : YAML::EventHandler {
  bool any = false;
  void OnDocumentStart(const YAML::Mark&) override { any = true; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t, const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}
};

bool plain(const std::string& text) {
  const auto safe = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
           c == '+' || c == '-';
  };
  return !text.empty() && text != "-" && std::all_of(text.begin(), text.end(), safe);
}

std::string in_quotes(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  return out + '"';
}

}  // namespace

const YamlNode* YamlNode::find(std::string_view key) const {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &items[i];
  }
  return nullptr;
}

YamlNode read_yaml(const std::string& text, const std::string& file) {
  if (text.size() > kMaxBytes) {
    fail<ModelError>("{}: a model file of {} bytes is too large (the limit is {}); is it the right file?", file,
                     text.size(), kMaxBytes);
  }
  TreeBuilder tree(file);
  NoEvents rest;
  try {
    std::istringstream in(text);
    YAML::Parser parser(in);
    parser.HandleNextDocument(tree);
    parser.HandleNextDocument(rest);
  } catch (const YAML::Exception& e) {
    fail<ModelError>("{}:{}: not valid YAML ({}); mend this line or the one before", file, e.mark.line + 1,
                     shown(e.msg, 200));
  }
  if (!tree.root()) fail<ModelError>("{}: the file is empty; give a model file with nc, backbone and head", file);
  if (rest.any) fail<ModelError>("{}: a second document ('---') follows the first; keep one model a file", file);
  return tree.take();
}

std::string shown(std::string_view text, std::size_t most) {
  const bool cut = text.size() > most;
  while (cut && most > 0 && (static_cast<unsigned char>(text[most]) & 0xc0) == 0x80) --most;  // not inside a letter
  std::string out(text.substr(0, most));
  for (char& c : out) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return cut ? out + "..." : out;
}

std::string one_line(const YamlNode& node) {
  if (node.kind == YamlNode::Kind::kScalar) return plain(node.text) ? node.text : in_quotes(node.text);
  std::string out;
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    if (i > 0) out += ", ";
    if (node.kind == YamlNode::Kind::kMap) out += node.keys[i] + ": ";
    out += one_line(node.items[i]);
  }
  return node.kind == YamlNode::Kind::kMap ? "{" + out + "}" : "[" + out + "]";
}

}  // namespace boxcar::model
