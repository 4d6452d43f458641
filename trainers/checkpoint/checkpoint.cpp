#include "boxcar/trainers/checkpoint/checkpoint.h"

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/torch_file.h"
#include "boxcar/runtime/files/torch_writer.h"

namespace boxcar {
namespace {

constexpr const char* kFormat = "boxcar checkpoint 1";

PickleValue optional_number(const std::optional<double>& value) { return value ? PickleValue(*value) : PickleValue(); }

// Reads typed entries of a checkpoint's top level; a missing or wrong one is an IoError.
class Fields {
 public:
  Fields(const PickleValue& root, const std::filesystem::path& path) : root_(root), path_(path) {}

  std::int64_t integer(const char* key) const { return need(key, root_.find(key).integer()); }
  double number(const char* key) const { return need(key, root_.find(key).number()); }
  bool boolean(const char* key) const { return need(key, root_.find(key).boolean()); }
  std::optional<double> maybe_number(const char* key) const { return root_.find(key).number(); }
  std::string text(const char* key) const {
    const PickleValue value = root_.find(key);
    if (!value.text()) broken(key);
    return *value.text();
  }
  std::vector<std::string> texts(const char* key) const {
    std::vector<std::string> list;
    const PickleValue value = root_.find(key);
    for (const PickleValue& item : value.items()) {
      if (!item.text()) broken(key);
      list.push_back(*item.text());
    }
    return list;
  }
  std::vector<int> integers(const char* key) const {
    std::vector<int> list;
    const PickleValue value = root_.find(key);
    for (const PickleValue& item : value.items()) list.push_back(static_cast<int>(need(key, item.integer())));
    return list;
  }
  NamedTensors tensors(const PickleValue& dict, const char* key) const {
    NamedTensors list;
    for (const auto& [name, value] : dict.entries()) {
      if (!name.text() || !value.tensor()) broken(key);
      list.emplace_back(*name.text(), *value.tensor());
    }
    return list;
  }
  NamedTensors tensors(const char* key) const { return tensors(root_.find(key), key); }

 private:
  template <class T>
  T need(const char* key, const std::optional<T>& value) const {
    if (!value) broken(key);
    return *value;
  }
  [[noreturn]] void broken(const char* key) const {
    fail<IoError>("{}: the checkpoint's entry '{}' is missing or of the wrong kind; the file is damaged, use another",
                  path_.string(), key);
  }

  const PickleValue& root_;
  const std::filesystem::path& path_;
};

template <class T>
PickleValue list_of(const std::vector<T>& items) {
  PickleValue::Items list;
  for (const T& item : items) list.emplace_back(item);
  return PickleValue::list(std::move(list));
}

}  // namespace

PickleValue Checkpoint::to_pickle() && {
  PickleValue states = PickleValue::dict();
  for (auto& [name, tensors] : optimizer) states.append_entry(name, PickleValue::dict_of(std::move(tensors)));
  return PickleValue::dict({{"format", kFormat},
                            {"epoch", epoch},
                            {"yaml", model_text},
                            {"names", list_of(names)},
                            {"stride", list_of(strides)},
                            {"args", args_yaml},
                            {"ema", PickleValue::dict_of(std::move(ema))},
                            {"model", PickleValue::dict_of(std::move(model))},
                            {"gradients", PickleValue::dict_of(std::move(gradients))},
                            {"optimizer", std::move(states)},
                            {"momentum", optional_number(momentum)},
                            {"steps", steps},
                            {"updates", updates},
                            {"last_step", last_step},
                            {"best_fitness", optional_number(best_fitness)},
                            {"fitness", optional_number(fitness)},
                            {"stopper_best", stopper_best},
                            {"stopper_epoch", stopper_epoch},
                            {"stopper_possible", stopper_possible},
                            {"threads", threads},
                            {"instruction_set", instruction_set}});
}

bool Checkpoint::is_ours(const PickleValue& root) {
  const PickleValue format = root.find("format");
  return format.text() && *format.text() == kFormat;
}

Checkpoint Checkpoint::from_pickle(const PickleValue& root, const std::filesystem::path& path) {
  const Fields fields(root, path);
  Checkpoint c;
  c.epoch = static_cast<int>(fields.integer("epoch"));
  c.model_text = fields.text("yaml");
  c.names = fields.texts("names");
  c.strides = fields.integers("stride");
  c.args_yaml = fields.text("args");
  c.ema = fields.tensors("ema");
  c.model = fields.tensors("model");
  c.gradients = fields.tensors("gradients");
  const PickleValue states = root.find("optimizer");
  for (const auto& [name, tensors] : states.entries()) {
    if (name.text()) c.optimizer.emplace_back(*name.text(), fields.tensors(tensors, "optimizer"));
  }
  c.momentum = fields.maybe_number("momentum");
  c.steps = fields.integer("steps");
  c.updates = fields.integer("updates");
  c.last_step = fields.integer("last_step");
  c.best_fitness = fields.maybe_number("best_fitness");
  c.fitness = fields.maybe_number("fitness");
  c.stopper_best = fields.number("stopper_best");
  c.stopper_epoch = static_cast<int>(fields.integer("stopper_epoch"));
  c.stopper_possible = fields.boolean("stopper_possible");
  c.threads = static_cast<int>(fields.integer("threads"));
  c.instruction_set = fields.text("instruction_set");
  return c;
}

void Checkpoint::write(const std::filesystem::path& path) && { write_torch_file(path, std::move(*this).to_pickle()); }

Checkpoint Checkpoint::read(const std::filesystem::path& path) {
  const TorchFile file = TorchFile::open(path);
  if (!is_ours(file.root())) {
    fail<IoError>("{}: not a checkpoint that boxcar wrote; it can be used as model=, not resumed", path.string());
  }
  return from_pickle(file.load_tensors(file.root()), path);
}

}  // namespace boxcar
