#include "boxcar/nn/model/model_spec.h"

#include <fmt/core.h>

#include <algorithm>

#include "boxcar/nn/model/arguments.h"
#include "boxcar/nn/model/header_reader.h"
#include "boxcar/nn/model/module_rules.h"
#include "boxcar/nn/model/yaml_tree.h"
#include "boxcar/runtime/base/error.h"

namespace boxcar {
namespace {

using namespace model;

/// Works out one row after the other; what a row reads has been worked out before it.
class RowReader {
 public:
  RowReader(const std::string& file, ModelSpec& spec) : file_(file), spec_(spec) {}

  void read(const YamlNode& node) {
    index_ = static_cast<int>(spec_.layers.size());
    text_ = one_line(node);
    where_ = fmt::format("{}:{}: row {} {}", file_, node.line, index_, shown(text_, 100));
    if (index_ >= kMaxRows) refuse(fmt::format("is one too many; {} rows are the limit", kMaxRows));
    if (node.kind != YamlNode::Kind::kList || node.items.size() != 4) {
      refuse("must be a list of four items: [from, repeats, module, args]");
    }
    if (!spec_.layers.empty() && spec_.layers.back().out_channels == 0) {
      refuse("follows the detection head, which must be the last row; move the head to the end");
    }
    const ModuleRule& rule = find_module(node.items[2]);
    LayerSpec layer;
    layer.index = index_;
    layer.from = read_from(node.items[0], rule);
    layer.text = text_;
    layer.repeats = read_repeats(node.items[1]);
    layer.module = rule.name;
    build(rule, read_arguments(node.items[3], rule), layer);
    spec_.layers.push_back(std::move(layer));
  }

 private:
  [[noreturn]] void refuse(const std::string& sentence) const { fail<ModelError>("{}: {}", where_, sentence); }

  const ModuleRule& find_module(const YamlNode& node) const {
    if (node.kind != YamlNode::Kind::kScalar) refuse("must have the name of a module as its third item");
    if (const ModuleRule* rule = find_rule(node.text)) return *rule;
    const std::string name = shown(node.text);
    if (known_but_unsupported(node.text))
      refuse(fmt::format("the module {} is not supported yet; use another one", name));
    refuse(fmt::format("the module '{}' is not known; did you mean {}?", name, nearest_module(node.text)));
  }

  /// Layer numbers counted back from this row become absolute; -1 in row 0 stays: the image.
  int absolute(const YamlNode& node) {
    const Value value = node.kind == YamlNode::Kind::kScalar ? scalar_value(node) : Value(std::monostate{});
    const auto* number = std::get_if<std::int64_t>(&value);
    if (!number) refuse("must have a layer number, or a list of them, as its first item (from)");
    if (*number >= index_)
      refuse(fmt::format("reads layer {}, which does not come before it; name an earlier one", *number));
    const std::int64_t layer = *number < 0 ? index_ + *number : *number;
    if (layer < 0 && !(index_ == 0 && *number == -1)) {
      refuse(fmt::format("reads layer {}, which lies before the first; name one from 0 on, or -1", *number));
    }
    if (*number != -1) spec_.save.push_back(static_cast<int>(layer));
    return static_cast<int>(layer);
  }

  std::vector<int> read_from(const YamlNode& node, const ModuleRule& rule) {
    const bool list = node.kind == YamlNode::Kind::kList;
    if (list && rule.inputs == Inputs::kOne) {
      refuse(fmt::format("{} reads one layer, but from is a list; write a number", rule.name));
    }
    if (!list && rule.inputs == Inputs::kList) {
      refuse(fmt::format("{} reads a list of layers, but from is one value; write a list such as [-1, 6]", rule.name));
    }
    if (!list) return {absolute(node)};
    if (node.items.empty() || node.items.size() > kMaxLevels) {
      refuse(fmt::format("must read 1 to {} layers, but from lists {}", kMaxLevels, node.items.size()));
    }
    std::vector<int> from;
    for (const YamlNode& item : node.items) from.push_back(absolute(item));
    return from;
  }

  int read_repeats(const YamlNode& node) const {
    const Value value = node.kind == YamlNode::Kind::kScalar ? scalar_value(node) : Value(ValueList(node.items.size()));
    const auto* number = std::get_if<std::int64_t>(&value);
    if (!number || *number < 1 || *number > kMaxRepeats) {
      refuse(fmt::format("has {} as its repeats, but they must be a whole number from 1 to {}", describe(value),
                         kMaxRepeats));
    }
    const int repeats = scaled_repeats(static_cast<int>(*number), spec_.depth);
    if (repeats > kMaxRepeats)
      refuse(fmt::format("has {} repeats after scaling, but {} are the limit", repeats, kMaxRepeats));
    return repeats;
  }

  Arguments read_arguments(const YamlNode& node, const ModuleRule& rule) const {
    if (node.kind != YamlNode::Kind::kList)
      refuse("must have a list of arguments as its fourth item; write [] for none");
    ValueList values;
    for (const YamlNode& item : node.items) {
      if (item.kind == YamlNode::Kind::kMap) refuse("has a map among its arguments; give them by position");
      values.push_back(argument_value(item, spec_.nc));
    }
    return {where_, std::string(rule.name), rule.arguments, std::move(values)};
  }

  void build(const ModuleRule& rule, const Arguments& args, LayerSpec& layer) {
    Row row{spec_, layer.repeats, {}, {}, legacy_};
    for (const int from : layer.from) {
      row.in_channels.push_back(from < 0 ? spec_.channels : spec_.layers[from].out_channels);
      row.in_sizes.push_back(from < 0 ? 256 : spec_.layers[from].size_at_256);
    }
    Built built = rule.build(row, args);
    if (!built.repeats_inside) layer.copies = layer.repeats;
    if (layer.copies > 1) check_copies(rule, row, built);
    layer.in_channels = std::move(row.in_channels);
    layer.out_channels = built.out_channels;
    layer.spec = std::move(built.spec);
    if (layer.out_channels != 0) layer.size_at_256 = map_size(layer, row.in_sizes.front());
    if (rule.name == "C3k2") legacy_ = false;
  }

  void check_copies(const ModuleRule& rule, const Row& row, const Built& built) const {
    if (rule.inputs == Inputs::kList || row.in_channels.size() > 1)
      refuse(fmt::format("{} cannot be repeated; write 1 as its repeats", rule.name));
    if (built.out_channels == row.c1()) return;
    refuse(fmt::format(
        "repeats {} {} times, but it turns {} channels into {}; split it into a row that changes the channels and a "
        "repeated one that keeps them",
        rule.name, row.repeats, row.c1(), built.out_channels));
  }

  int map_size(const LayerSpec& layer, int size) const {
    for (int i = 0; i < layer.copies; ++i) {
      size = output_size(layer.spec, size);
      if (size < 1)
        refuse("leaves nothing of an image of 256 x 256; use a smaller kernel or stride, or fewer of them before it");
      if (size > kMaxMapSize)
        refuse("makes the map larger than 4096 x 4096 for an image of 256 x 256; use a smaller factor or padding");
    }
    return size;
  }

  const std::string& file_;
  ModelSpec& spec_;
  bool legacy_ = true;  // until a row of the newer kind has been seen
  int index_ = 0;
  std::string text_, where_;
};

const YamlNode& rows_of(const YamlNode& root, std::string_view key, const std::string& file) {
  const YamlNode& rows = *root.find(key);
  if (rows.kind == YamlNode::Kind::kList) return rows;
  fail<ModelError>("{}:{}: {} must be a list of rows [from, repeats, module, args]", file, rows.line, key);
}

}  // namespace

ModelSpec parse_model_spec(const std::string& text, const std::string& file, const ModelSpecOptions& options) {
  const YamlNode root = read_yaml(text, file);
  ModelSpec spec;
  read_header(root, file, options, spec);
  spec.yaml = write_header(root, spec);
  RowReader reader(file, spec);
  for (const std::string_view part : {"backbone", "head"}) {
    spec.yaml += fmt::format("{}:{}\n", part, root.find(part)->items.empty() ? " []" : "");
    for (const YamlNode& row : rows_of(root, part, file).items) {
      reader.read(row);
      spec.yaml += "  - " + spec.layers.back().text + "\n";
    }
  }
  if (spec.layers.empty() || spec.layers.back().module != "Detect") {
    fail<ModelError>("{}: the last row must be the detection head, such as [[15, 18, 21], 1, Detect, [nc]]; add it",
                     file);
  }
  std::sort(spec.save.begin(), spec.save.end());
  return spec;
}

}  // namespace boxcar
