#include "boxcar/nn/model/header_reader.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "boxcar/nn/model/activation_text.h"
#include "boxcar/nn/model/arguments.h"
#include "boxcar/nn/model/module_rules.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar::model {
namespace {

constexpr double kMaxMultiple = 100;
// yaml_file is the path that the reference notes in its checkpoints; it says nothing about the network.
constexpr std::array<std::string_view, 13> kKeys{
    "nc",         "channels", "scales",  "scale",    "depth_multiple", "width_multiple",
    "activation", "reg_max",  "end2end", "backbone", "head",           "yaml_file",
    "task"};

class Header {
 public:
  Header(const YamlNode& root, const std::string& file, const ModelSpecOptions& options, ModelSpec& spec)
      : root_(root), file_(file), options_(options), spec_(spec) {}

  void read() {
    check_keys();
    read_classes();
    spec_.channels = options_.channels != 0 ? options_.channels : whole("channels", 3, kMaxChannels);
    if (spec_.channels < 1 || spec_.channels > kMaxChannels) {
      fail<ModelError>("{}: {} image channels were asked for, but 1 to {} are possible", file_, spec_.channels,
                       kMaxChannels);
    }
    read_scale();
    read_activation();
    spec_.reg_max = whole("reg_max", 16, kMaxRegMax);
    if (truth("end2end")) {
      refuse(*given("end2end"),
             "end2end: true asks for a second, one-to-one branch, which is not supported yet; remove it");
    }
  }

 private:
  [[noreturn]] void refuse(const YamlNode& node, const std::string& sentence) const {
    fail<ModelError>("{}:{}: {}", file_, node.line, sentence);
  }

  /// The value of a key, or null where it is absent or null.
  const YamlNode* given(std::string_view key) const {
    const YamlNode* node = root_.find(key);
    const bool null = node && node->kind == YamlNode::Kind::kScalar && !node->quoted &&
                      std::holds_alternative<std::monostate>(scalar_value(*node));
    return null ? nullptr : node;
  }

  Value scalar(const YamlNode& node) const {
    return node.kind == YamlNode::Kind::kScalar ? scalar_value(node) : Value(ValueList(node.items.size()));
  }

  void check_keys() const {
    if (root_.kind != YamlNode::Kind::kMap) refuse(root_, "a model file is a map with the keys nc, backbone and head");
    for (std::size_t i = 0; i < root_.keys.size(); ++i) {
      if (std::find(kKeys.begin(), kKeys.end(), root_.keys[i]) != kKeys.end()) continue;
      refuse(root_.items[i],
             fmt::format("the key '{}' is not known for detection models; remove it (known are nc, channels, scales, "
                         "scale, depth_multiple, width_multiple, activation, reg_max, end2end, backbone, head)",
                         shown(root_.keys[i])));
    }
    for (const std::string_view key : {"backbone", "head"}) {
      if (!root_.find(key)) fail<ModelError>("{}: the key '{}' is missing; give it a list of rows", file_, key);
    }
    if (const YamlNode* task = given("task"); task && task->text != "detect") {
      refuse(*task, fmt::format("a model for the task '{}' is not supported; only detect is", shown(task->text)));
    }
  }

  int whole(const std::string& key, int otherwise, int high) const {
    const YamlNode* node = given(key);
    if (!node) return otherwise;
    const Value value = scalar(*node);
    const auto* number = std::get_if<std::int64_t>(&value);
    if (number && *number >= 1 && *number <= high) return static_cast<int>(*number);
    refuse(*node, fmt::format("{} is {}, but must be a whole number from 1 to {}", key, describe(value), high));
  }

  bool truth(const std::string& key) const {
    const YamlNode* node = given(key);
    if (!node) return false;
    const Value value = scalar(*node);
    if (const auto* truth = std::get_if<bool>(&value)) return *truth;
    refuse(*node, fmt::format("{} is {}, but must be true or false", key, describe(value)));
  }

  double positive(const YamlNode& node, std::string_view what, double high) const {
    const Value value = scalar(node);
    double number = 0;
    if (const auto* whole = std::get_if<std::int64_t>(&value)) number = static_cast<double>(*whole);
    if (const auto* real = std::get_if<double>(&value)) number = *real;
    if (number > 0 && number <= high) return number;
    refuse(node, fmt::format("{} is {}, but must be a number above 0, at most {}", what, describe(value), high));
  }

  void read_classes() {
    if (options_.nc < 0 || options_.nc > kMaxClasses) {
      fail<ModelError>("{}: {} classes were asked for, but 1 to {} are possible", file_, options_.nc, kMaxClasses);
    }
    const bool in_file = given("nc") != nullptr;
    if (!in_file && options_.nc == 0) {
      fail<ModelError>("{}: the key 'nc' is missing; give the number of classes, e.g. nc: 80", file_);
    }
    const int from_file = whole("nc", options_.nc, kMaxClasses);
    spec_.nc = options_.nc != 0 ? options_.nc : from_file;
    if (spec_.nc != from_file) options_.log.info("{}: nc={} replaces the file's nc={}", file_, spec_.nc, from_file);
    spec_.names = options_.names;
    if (spec_.names.empty()) {
      for (int i = 0; i < spec_.nc; ++i) spec_.names.push_back(fmt::format("{}", i));
    }
    if (spec_.names.size() != static_cast<std::size_t>(spec_.nc)) {
      fail<ModelError>("{}: {} class names were given for {} classes; give one each", file_, spec_.names.size(),
                       spec_.nc);
    }
  }

  void read_scale() {
    spec_.max_channels = std::numeric_limits<double>::infinity();
    const YamlNode* asked = given("scale");
    if (asked && asked->kind != YamlNode::Kind::kScalar)
      refuse(*asked, "scale must be the name of one entry of scales");
    const std::string wanted = !options_.scale.empty() ? options_.scale : (asked ? asked->text : std::string());
    if (const YamlNode* scales = given("scales")) return read_scales(*scales, wanted);
    if (!wanted.empty())
      options_.log.warning("{}: the scale '{}' has no effect: the file has no scales", file_, shown(wanted));
    if (const YamlNode* depth = given("depth_multiple")) spec_.depth = positive(*depth, "depth_multiple", kMaxMultiple);
    if (const YamlNode* width = given("width_multiple")) spec_.width = positive(*width, "width_multiple", kMaxMultiple);
  }

  void read_scales(const YamlNode& scales, const std::string& wanted) {
    if (scales.kind != YamlNode::Kind::kMap || scales.keys.empty()) {
      refuse(scales, "scales must be a map such as n: [0.5, 0.25, 1024]");
    }
    for (const std::string_view key : {"depth_multiple", "width_multiple"}) {
      if (const YamlNode* both = given(key))
        refuse(*both, fmt::format("{} has no effect beside scales; remove one of them", key));
    }
    std::string all;
    for (std::size_t i = 0; i < scales.keys.size(); ++i) {
      all += (all.empty() ? "" : ", ") + scales.keys[i];
      check_entry(scales.keys[i], scales.items[i]);
    }
    spec_.scale = wanted.empty() ? scales.keys.front() : wanted;
    if (wanted.empty()) {
      options_.log.warning("{}: no scale was given, taking the first, '{}', of {}", file_, spec_.scale, all);
    }
    const YamlNode* entry = scales.find(spec_.scale);
    if (!entry) {
      refuse(scales, fmt::format("the scale '{}' is not in scales ({}); choose one of them or add it",
                                 shown(spec_.scale), shown(all, 200)));
    }
    spec_.depth = positive(entry->items[0], "the depth of the scale", kMaxMultiple);
    spec_.width = positive(entry->items[1], "the width of the scale", kMaxMultiple);
    spec_.max_channels = positive(entry->items[2], "max_channels of the scale", kMaxChannels);
  }

  void check_entry(const std::string& key, const YamlNode& entry) const {
    const auto word = [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '-'; };
    if (key.empty() || key.size() > 32 || !std::all_of(key.begin(), key.end(), word)) {
      refuse(entry, fmt::format("the scale '{}' must have a name of letters and digits, such as n", shown(key)));
    }
    if (entry.kind != YamlNode::Kind::kList || entry.items.size() != 3) {
      refuse(entry, fmt::format("the scale '{}' must be a list of three numbers, [depth, width, max_channels]", key));
    }
    positive(entry.items[0], fmt::format("the depth of the scale '{}'", key), kMaxMultiple);
    positive(entry.items[1], fmt::format("the width of the scale '{}'", key), kMaxMultiple);
    positive(entry.items[2], fmt::format("max_channels of the scale '{}'", key), kMaxChannels);
  }

  void read_activation() {
    const YamlNode* node = given("activation");
    if (!node) return;
    const auto act = node->kind == YamlNode::Kind::kScalar ? parse_activation(node->text) : std::nullopt;
    if (!act) {
      refuse(*node, fmt::format("the activation {} is not known; write one of {}", shown(one_line(*node), 100),
                                kActivationNames));
    }
    spec_.activation = *act;
  }

  const YamlNode& root_;
  const std::string& file_;
  const ModelSpecOptions& options_;
  ModelSpec& spec_;
};

}  // namespace

void read_header(const YamlNode& root, const std::string& file, const ModelSpecOptions& options, ModelSpec& spec) {
  Header(root, file, options, spec).read();
}

std::string write_header(const YamlNode& root, const ModelSpec& spec) {
  std::string out = fmt::format("nc: {}\nchannels: {}\n", spec.nc, spec.channels);
  if (!spec.scale.empty()) {
    const YamlNode& scales = *root.find("scales");
    out += fmt::format("scale: {}\nscales:\n", spec.scale);
    for (std::size_t i = 0; i < scales.keys.size(); ++i) {
      out += fmt::format("  {}: {}\n", scales.keys[i], one_line(scales.items[i]));
    }
  } else {
    out += fmt::format("depth_multiple: {}\nwidth_multiple: {}\n", spec.depth, spec.width);
  }
  if (const YamlNode* act = root.find("activation")) out += fmt::format("activation: {}\n", one_line(*act));
  return out + fmt::format("reg_max: {}\n", spec.reg_max);
}

}  // namespace boxcar::model
