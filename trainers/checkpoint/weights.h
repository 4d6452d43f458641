// A network's tensors and description from any file that holds them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/nn/model/detection_model.h"
#include "boxcar/runtime/files/host_tensor.h"

namespace boxcar {

class Weights {
 public:
  Weights() = default;
  Weights(NamedTensors tensors, std::string model_text, std::vector<std::string> names)
      : tensors_(std::move(tensors)), model_text_(std::move(model_text)), names_(std::move(names)) {}

  /// Reads boxcar's checkpoints, the reference's .pt files (as data: nothing in them is executed) and .safetensors.
  /// Of a checkpoint the averaged weights are taken. Throws IoError naming the file.
  static Weights read(const std::filesystem::path& file);

  const NamedTensors& tensors() const { return tensors_; }
  /// The network as a model file (YAML or JSON); empty where the file holds bare tensors.
  const std::string& model_text() const { return model_text_; }
  /// Class names; empty where the file does not say.
  const std::vector<std::string>& names() const { return names_; }
  const std::filesystem::path& path() const { return path_; }

  /// Gives the model each tensor whose name and shape agree, before or after its values have a place. Returns the
  /// names that were taken. Throws ModelError for a file whose batch norms were folded away.
  std::vector<std::string> load_into(Model& model) const;
  /// The same, where every tensor of the model must be there: for validation and prediction.
  void load_all_into(Model& model) const;

  /// The description as a spec for the file's own classes. Throws ModelError where the file has none.
  ModelSpec spec() const;

 private:
  std::filesystem::path path_;
  NamedTensors tensors_;
  std::string model_text_;
  std::vector<std::string> names_;
};

}  // namespace boxcar
