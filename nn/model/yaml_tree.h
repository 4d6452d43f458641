// A small tree read from untrusted YAML. Private to nn/model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace boxcar::model {

struct YamlNode {
  enum class Kind { kScalar, kList, kMap };
  Kind kind = Kind::kScalar;
  std::string text{};               // of a scalar, as written without its quotes; a bare null is "null"
  bool quoted = false;              // a quoted scalar is a text, whatever it looks like
  int line = 0;                     // in the file, from 1
  std::vector<std::string> keys{};  // of a map, all different
  std::vector<YamlNode> items{};    // of a list; of a map, the values beside `keys`

  /// The value of `key` in a map, or null.
  const YamlNode* find(std::string_view key) const;
};

/// Reads one document. Refuses, by ModelError naming `file` and the line: more than 1 MiB, more than 100000 values or
/// 1000 keys in a map, nesting deeper than 16, aliases and anchors, tags, keys given twice, a second document, and what
/// is not YAML.
YamlNode read_yaml(const std::string& text, const std::string& file);

/// A text of the file fit for a message: at most `most` bytes of it, control characters replaced.
std::string shown(std::string_view text, std::size_t most = 60);

/// The value on one line, texts in quotes only where they need them.
std::string one_line(const YamlNode& node);

}  // namespace boxcar::model
