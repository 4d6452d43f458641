#include "boxcar/trainers/args/args.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/embedded.h"
#include "boxcar/trainers/args/config_file.h"
#include "boxcar/trainers/args/forms.h"
#include "boxcar/trainers/args/table.h"

namespace boxcar {
namespace {

const ArgumentRow& row_of(std::string_view name) {
  const ArgumentRow* row = find_argument(name);
  if (!row) fail<ArgumentError>("{}", unknown_argument(name));
  return *row;
}

Overrides read_overrides(std::string_view text, const std::string& origin) {
  Overrides out;
  for (const auto& [key, value] : read_yaml_settings(text, origin)) {
    try {
      out.set(key, value);
    } catch (const ArgumentError& e) {
      fail<ArgumentError>("{}: {}", origin, e.what());
    }
  }
  return out;
}

void apply(Args& args, const Overrides& overrides) {
  for (const auto& [key, value] : overrides.items()) {
    const ArgumentRow& row = row_of(key);
    assign(args, row, value);
    refuse_unsupported(row, value_of(args, row));
  }
}

void log_warnings(const Overrides& overrides, const Log& log) {
  for (const std::string& warning : overrides.warnings()) log.warning("{}", warning);
}

/// The file of `cfg=`, as overrides weaker than the others.
Overrides config_overrides(const Overrides& overrides) {
  const Setting* file = overrides.find("cfg");
  if (!file || file->is_null()) return {};
  if (!file->is_text()) fail<ArgumentError>("argument 'cfg' must be a file, not {}", shown(*file));
  Overrides out = read_overrides(read_config_text(file->as_text()), file->as_text());
  if (const Setting* inner = out.find("cfg"); inner && !inner->is_null())
    fail<ArgumentError>("{}: a cfg file cannot name another with 'cfg'", file->as_text());
  return out.erase("cfg");
}

/// What depends on more than one argument.
void finish(Args& args, const Log& log) {
  if (args.name == "model" && args.model) args.name = std::filesystem::path(*args.model).stem().string();
  if (args.mode != "train" && args.batch.is_automatic()) {
    fail<ArgumentError>("argument 'batch' must be a number of images in mode={}; {} is for training", args.mode,
                        args.get("batch").to_text());
  }
  if (args.mode != "predict" && args.imgsz.height != args.imgsz.width) {
    log.warning("mode={} uses square images; imgsz={} is reduced to {}", args.mode, args.get("imgsz").to_text(),
                args.imgsz.side());
    args.imgsz = {args.imgsz.side(), args.imgsz.side()};
  }
}

void append_yaml(std::string& out, std::string_view name, const Setting& value) {
  if (!value.is_list() || value.as_list().empty()) {
    out += fmt::format("{}: {}\n", name, value.to_yaml());
    return;
  }
  out += fmt::format("{}:\n", name);
  for (const Setting& item : value.as_list()) out += fmt::format("- {}\n", item.to_yaml());
}

}  // namespace

const std::vector<Overrides::Item>& default_settings() {
  static const auto settings = read_yaml_settings(embedded_file("default.yaml"), "cfg/default.yaml");
  return settings;
}

void refuse_unsupported(const ArgumentRow& row, const Setting& value) {
  if (row.support == Support::yes) return;
  const Args defaults;
  const Setting usual = value_of(defaults, row);
  if (value == usual) return;
  if (row.support == Support::other_task)
    fail<ArgumentError>("argument '{}' has no meaning for detection; leave it at {}={}", row.name, row.name,
                        usual.to_text());
  fail<ArgumentError>("argument '{}' is not supported yet; leave it at {}={}", row.name, row.name, usual.to_text());
}

Args::Args() {
  for (const auto& [key, value] : default_settings()) assign(*this, row_of(key), value);
}

Args Args::from(const Overrides& overrides, const Log& log) {
  const Overrides file = config_overrides(overrides);
  log_warnings(file, log);
  log_warnings(overrides, log);
  Args args;
  apply(args, file);
  apply(args, overrides);
  finish(args, log);
  return args;
}

Args Args::from_yaml(std::string_view text, const std::string& origin, const Log& log) {
  const Overrides overrides = read_overrides(text, origin);
  log_warnings(overrides, log);
  Args args;
  try {
    apply(args, overrides);
  } catch (const ArgumentError& e) {
    fail<ArgumentError>("{}: {}", origin, e.what());
  }
  finish(args, log);
  return args;
}

std::string Args::to_yaml() const {
  std::string out;
  for (const ArgumentRow& row : argument_table()) append_yaml(out, row.name, value_of(*this, row));
  return out;
}

std::string Args::to_line() const {
  std::vector<std::string> names = argument_names();
  std::ranges::sort(names);
  std::string out;
  for (const std::string& name : names)
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", name, get(name).to_text());
  return out;
}

Setting Args::get(std::string_view name) const { return value_of(*this, row_of(name)); }
void Args::set(std::string_view name, const Setting& value) { assign(*this, row_of(name), value); }

std::size_t Args::images_kept(std::string_view split, std::size_t total) const {
  constexpr std::string_view kSplits[] = {"train", "val", "test"};
  const auto index = static_cast<std::size_t>(std::ranges::find(kSplits, split) - std::begin(kSplits));
  if (index == 3) fail<ArgumentError>("there is no split '{}'; splits are train, val and test", split);
  Setting part = 1.0;
  if (!fraction.is_list())
    part = index == 0 ? fraction : part;
  else if (index < fraction.as_list().size())
    part = fraction.as_list()[index];
  if (total == 0) return 0;
  if (part.is_integer()) return std::min(total, static_cast<std::size_t>(*part.whole()));
  const double kept = std::nearbyint(static_cast<double>(total) * *part.real());
  return std::max<std::size_t>(1, static_cast<std::size_t>(kept));
}

double Args::fraction_of(std::string_view split) const {
  if (!fraction.is_list()) return split == "train" ? fraction.real().value_or(1.0) : 1.0;
  const std::size_t index = split == "train" ? 0 : (split == "val" ? 1 : 2);
  const auto& list = fraction.as_list();
  return index < list.size() ? list[index].real().value_or(1.0) : 1.0;
}

std::vector<std::string> Args::frozen_layers() const {
  std::vector<std::string> out;
  if (freeze.is_null()) return out;
  if (freeze.is_list()) {
    for (const Setting& item : freeze.as_list()) out.push_back(item.to_text());
    return out;
  }
  // More layers than any network has freeze all of them just as well.
  const auto count = std::min<std::int64_t>(*freeze.whole(), 10000);
  for (std::int64_t i = 0; i < count; ++i) out.push_back(std::to_string(i));
  return out;
}

std::optional<std::vector<int>> Args::class_filter() const {
  if (classes.is_null()) return std::nullopt;
  if (!classes.is_list()) return std::vector<int>{static_cast<int>(*classes.whole())};
  std::vector<int> out;
  for (const Setting& item : classes.as_list()) out.push_back(static_cast<int>(*item.whole()));
  return out;
}

std::pair<double, double> Args::scale_range() const {
  if (const auto s = scale.real()) return {1 - *s, 1 + *s};
  return {*scale.as_list().front().real(), *scale.as_list().back().real()};
}

Overrides with_config_file(const Overrides& overrides) {
  Overrides all = config_overrides(overrides);
  return all.merge(overrides).erase("cfg");
}

void check_inputs(const Args& args) {
  const bool resumes = args.resume.is_text() || args.resume.as_bool();
  if (args.mode == "train" && resumes) return;
  if (!args.model)
    fail<ArgumentError>("mode={} needs a model: add model=yolo11n.yaml (a new network) or a weights file", args.mode);
  if (args.mode == "train" && !args.data)
    fail<ArgumentError>("mode=train needs a data set: add data=, the file that describes it");
  if (args.mode == "predict" && !args.source)
    fail<ArgumentError>("mode=predict needs images: add source=, an image, a folder or a list file");
}

}  // namespace boxcar
