#include "boxcar/trainers/facade/remembered.h"

#include <system_error>

#include "boxcar/data/image/suffix.h"
#include "boxcar/runtime/files/torch_file.h"
#include "boxcar/trainers/args/args.h"
#include "boxcar/trainers/checkpoint/checkpoint.h"

namespace boxcar {
namespace {

void remember_data(Overrides& overrides, const std::string& data) {
  std::error_code ignored;
  if (std::filesystem::exists(data, ignored)) overrides.set("data", data);
}

Overrides from_ours(const std::string& args_yaml, const std::string& origin) {
  const Args args = Args::from_yaml(args_yaml, origin);
  Overrides overrides{{"imgsz", args.imgsz.side()}, {"single_cls", args.single_cls}};
  remember_data(overrides, args.data.value_or(""));
  return overrides;
}

// The reference keeps its arguments as a dictionary, which may hold anything.
Overrides from_reference(const PickleValue& args) {
  Overrides overrides;
  const PickleValue imgsz = args.find("imgsz"), single_cls = args.find("single_cls"), data = args.find("data");
  if (imgsz.integer() && *imgsz.integer() > 0) overrides.set("imgsz", *imgsz.integer());
  if (single_cls.boolean()) overrides.set("single_cls", *single_cls.boolean());
  if (data.text()) remember_data(overrides, *data.text());
  return overrides;
}

}  // namespace

Overrides remembered_settings(const std::filesystem::path& model) {
  if (lower_suffix(model) != "pt") return {};
  const TorchFile file = TorchFile::open(model);
  const PickleValue ours = file.root().find("args");
  if (Checkpoint::is_ours(file.root()) && ours.text()) return from_ours(*ours.text(), model.string());
  return from_reference(file.root().find("train_args"));
}

}  // namespace boxcar
