// A network's tensors and description from any file that holds them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "boxcar/nn/model/detection_model.h"
#include "boxcar/nn/model/transfer.h"
#include "boxcar/runtime/files/host_tensor.h"

namespace boxcar {

class Weights {
 public:
  Weights() = default;
  /// `path` is only named in messages.
  Weights(NamedTensors tensors, std::string model_text, std::vector<std::string> names, std::filesystem::path path = {})
      : path_(std::move(path)),
        tensors_(std::move(tensors)),
        model_text_(std::move(model_text)),
        names_(std::move(names)) {}

  /// Reads boxcar's checkpoints, the reference's .pt files (as data: nothing in them is executed) and .safetensors.
  /// Of a checkpoint the averaged weights are taken. Throws IoError naming the file.
  static Weights read(const std::filesystem::path& file);

  const NamedTensors& tensors() const { return tensors_; }
  /// The network as a model file (YAML or JSON); empty where the file holds bare tensors.
  const std::string& model_text() const { return model_text_; }
  /// Class names; empty where the file does not say.
  const std::vector<std::string>& names() const { return names_; }
  const std::filesystem::path& path() const { return path_; }

  /// Whether load_into() carries the rows of the class head over by name where the class lists differ (the argument
  /// cls_remap, which trainers set before they call get_model()). They do unless told otherwise.
  void set_remap_classes(bool on) { remap_classes_ = on; }

  /// Gives the model what fits of the weights, by the rules of transfer(), and says what that was. A DetectionModel
  /// with placeholder names ("0", "1", ...) that took every tensor also takes the names of the classes. Throws
  /// ModelError for a file whose batch norms were folded away.
  Transfer load_into(Model& model) const;
  /// Every tensor of the model must be there in its shape, but for the width of class branches, which is the file's:
  /// for validation and prediction. Throws ModelError naming the first that is not.
  void load_all_into(Model& model) const;

  /// The description as a spec for the file's own classes, with the class branches as wide as the file's. Throws
  /// ModelError where the file has none.
  ModelSpec spec() const;

 private:
  void refuse_folded() const;

  std::filesystem::path path_;
  NamedTensors tensors_;
  std::string model_text_;
  std::vector<std::string> names_;
  bool remap_classes_ = true;
};

}  // namespace boxcar
