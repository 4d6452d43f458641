// The keys of a model file above its rows. Private to nn/model.
#pragma once

#include <string>

#include "boxcar/nn/model/model_spec.h"
#include "boxcar/nn/model/yaml_tree.h"

namespace boxcar::model {

/// Fills everything of `spec` but layers, save and yaml. Throws ModelError for unknown keys and bad values.
void read_header(const YamlNode& root, const std::string& file, const ModelSpecOptions& options, ModelSpec& spec);

/// The keys as lines of a normalised file, without backbone and head.
std::string write_header(const YamlNode& root, const ModelSpec& spec);

}  // namespace boxcar::model
