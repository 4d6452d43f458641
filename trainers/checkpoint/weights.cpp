#include "boxcar/trainers/checkpoint/weights.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "boxcar/nn/arena/arena.h"
#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/safetensors.h"
#include "boxcar/runtime/files/torch_file.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"

namespace boxcar {
namespace {

// Plain values of a description as JSON, which model files may be written in.
nlohmann::ordered_json to_json(const PickleValue& value) {
  switch (value.kind()) {
    case PickleValue::Kind::kBool:
      return *value.boolean();
    case PickleValue::Kind::kInt:
      return *value.integer();
    case PickleValue::Kind::kFloat:
      return *value.number();
    case PickleValue::Kind::kText:
      return *value.text();
    case PickleValue::Kind::kList:
    case PickleValue::Kind::kTuple: {
      auto list = nlohmann::ordered_json::array();
      for (const PickleValue& item : value.items()) list.push_back(to_json(item));
      return list;
    }
    case PickleValue::Kind::kDict: {
      auto object = nlohmann::ordered_json::object();
      for (const auto& [key, item] : value.entries()) {
        if (key.text()) object[*key.text()] = to_json(item);
      }
      return object;
    }
    default:
      return nullptr;
  }
}

std::vector<std::string> class_names(const PickleValue& names) {
  std::vector<std::string> list;
  for (const PickleValue& item : names.items()) list.push_back(item.text() ? *item.text() : "");
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(names.entries().size()); ++i) {
    const PickleValue name = names.find(i);
    list.push_back(name.text() ? *name.text() : std::to_string(i));
  }
  return list;
}

Weights from_torch(const std::filesystem::path& path) {
  const TorchFile file = TorchFile::open(path);
  const PickleValue& root = file.root();
  if (Checkpoint::is_ours(root)) {
    Checkpoint c = Checkpoint::from_pickle(file.load_tensors(root), path);
    return {std::move(c.ema), std::move(c.model_text), std::move(c.names)};
  }
  const PickleValue ema = root.find("ema");
  const PickleValue network = ema.is_null() ? root.find("model") : ema;
  const PickleValue yaml = network.attribute("yaml");
  PickleValue names = network.attribute("names");
  if (names.is_null()) names = root.find("names");
  return {file.state_dict(), yaml.is_null() ? std::string() : to_json(yaml).dump(), class_names(names)};
}

Weights from_safetensors(const std::filesystem::path& path) {
  const TextMap metadata = read_safetensors_metadata(path);
  std::vector<std::string> names;
  if (const auto found = metadata.find("names"); found != metadata.end()) {
    const auto list = nlohmann::json::parse(found->second, nullptr, false);
    if (list.is_array()) {
      for (const auto& name : list) names.push_back(name.is_string() ? name.get<std::string>() : "");
    }
  }
  const auto text = metadata.find("yaml");
  return {read_safetensors(path), text == metadata.end() ? std::string() : text->second, std::move(names)};
}

bool is_fused(const NamedTensors& tensors) {
  const auto has = [&](std::string_view suffix) {
    return std::any_of(tensors.begin(), tensors.end(), [&](const auto& t) { return t.first.ends_with(suffix); });
  };
  return has(".conv.bias") && !has(".bn.weight");
}

}  // namespace

Weights Weights::read(const std::filesystem::path& file) {
  Weights weights = file.extension() == ".safetensors" ? from_safetensors(file) : from_torch(file);
  weights.path_ = file;
  return weights;
}

void Weights::refuse_folded() const {
  if (!is_fused(tensors_)) return;
  fail<ModelError>("{}: the batch norms of these weights were folded away; use the unfused file", path_.string());
}

Transfer Weights::load_into(Model& model) const {
  refuse_folded();
  auto* detection = dynamic_cast<DetectionModel*>(&model);
  TransferOptions options{.source_names = names_, .remap_classes = remap_classes_};
  if (detection) options.target_names = detection->spec().names;
  Stream stream;
  Transfer done = transfer(model, tensors_, options, stream);
  const bool all = done.taken.size() == done.tensors && names_.size() == options.target_names.size();
  if (detection && all && are_placeholders(options.target_names)) detection->set_names(names_);
  return done;
}

void Weights::load_all_into(Model& model) const {
  refuse_folded();
  fit_class_branches(model, tensors_);
  Stream stream;
  const std::vector<std::string> taken = nn::load_matching(model, tensors_, stream);
  model.for_each_parameter([&](const std::string& name, nn::Parameter& p) {
    if (p.kind == nn::StateKind::kCounter) return;
    if (std::find(taken.begin(), taken.end(), name) == taken.end()) {
      fail<ModelError>("{}: the tensor '{}' that the model needs is missing or has another shape", path_.string(),
                       name);
    }
  });
}

ModelSpec Weights::spec() const {
  if (model_text_.empty()) {
    fail<ModelError>(
        "{}: the file holds tensors without a description of the network; give model=NAME.yaml and "
        "pretrained={}",
        path_.string(), path_.string());
  }
  ModelSpecOptions options;
  options.nc = static_cast<int>(names_.size());
  options.names = names_;
  ModelSpec spec = parse_model_spec(model_text_, path_.string(), options);
  LayerSpec& last = spec.layers.back();
  auto& head = std::get<DetectSpec>(last.spec);
  const auto width = class_width_of(tensors_, "model." + std::to_string(last.index), head.channels, head.legacy);
  if (width) head.class_width = *width;
  return spec;
}

}  // namespace boxcar
