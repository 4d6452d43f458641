// Text of the files that converters write.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/data/dataset/sample.h"

namespace boxcar {

/// A data-set YAML without `path:` (its own folder is the root): a comment, the splits as
/// (key, folder), train and val without a value where they are not among them, and the class names, quoted so that none
/// is taken for a number or a truth value.
std::string data_yaml_text(std::string_view comment, const std::vector<std::pair<std::string, std::string>>& splits,
                           const std::vector<std::string>& names);

/// One row "class xc yc w h" with six decimals and a line end.
std::string label_line(int cls, double xc, double yc, double w, double h);

}  // namespace boxcar
