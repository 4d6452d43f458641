// Between Settings and the typed fields of Args.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/forms.h"
#include "boxcar/trainers/args/table.h"

namespace boxcar {
namespace {

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

std::string limits_text(const ArgumentRule& rule, std::string_view kind) {
  if (std::isfinite(rule.lowest) && std::isfinite(rule.highest))
    return fmt::format("{} from {} to {}", kind, rule.lowest, rule.highest);
  if (std::isfinite(rule.lowest)) return fmt::format("{} of at least {}", kind, rule.lowest);
  return std::string(kind);
}

[[noreturn]] void refuse(const ArgumentRow& row, const std::string& wanted, const Setting& value) {
  fail<ArgumentError>("argument '{}' must be {}, not {}", row.name, wanted, shown(value));
}

int read_int(const ArgumentRow& row, const Setting& value, std::string_view kind = "an integer") {
  const auto v = value.whole();
  const double lowest = std::max<double>(row.rule.lowest, std::numeric_limits<int>::min());
  const double highest = std::min<double>(row.rule.highest, std::numeric_limits<int>::max());
  if (!v || static_cast<double>(*v) < lowest || static_cast<double>(*v) > highest)
    refuse(row, limits_text(row.rule, kind), value);
  return static_cast<int>(*v);
}

double read_double(const ArgumentRow& row, const Setting& value) {
  const auto v = value.real();
  if (!v || !std::isfinite(*v) || *v < row.rule.lowest || *v > row.rule.highest)
    refuse(row, limits_text(row.rule, "a number"), value);
  return *v;
}

ImageSize read_size(const ArgumentRow& row, const Setting& value) {
  constexpr std::string_view kKind = "an integer or [height, width]";
  if (!value.is_list()) {
    const int side = read_int(row, value, kKind);
    return {side, side};
  }
  const auto& list = value.as_list();
  if (list.empty() || list.size() > 2) refuse(row, limits_text(row.rule, kKind), value);
  return {read_int(row, list.front(), kKind), read_int(row, list.back(), kKind)};
}

void read(bool& field, const ArgumentRow& row, const Setting& value) {
  if (!value.is_bool()) refuse(row, "True or False", value);
  field = value.as_bool();
}
void read(int& field, const ArgumentRow& row, const Setting& value) { field = read_int(row, value); }
void read(double& field, const ArgumentRow& row, const Setting& value) { field = read_double(row, value); }
void read(std::string& field, const ArgumentRow& row, const Setting& value) {
  if (!value.is_text()) refuse(row, "text", value);
  if (value.as_text().find('\0') != std::string::npos)
    fail<ArgumentError>("argument '{}' must not contain a zero byte", row.name);
  field = value.as_text();
}
void read(ImageSize& field, const ArgumentRow& row, const Setting& value) { field = read_size(row, value); }
void read(BatchSize& field, const ArgumentRow&, const Setting& value) {
  const std::int64_t images = value.whole().value_or(0);  // tidy_batch() has checked it
  field = images > 0 ? BatchSize{static_cast<int>(images), 0} : BatchSize{0, value.is_number() ? *value.real() : 0};
}
void read(Setting& field, const ArgumentRow&, const Setting& value) { field = value; }
template <class T>
void read(std::optional<T>& field, const ArgumentRow& row, const Setting& value) {
  if (value.is_null()) return field.reset();
  T v{};
  read(v, row, value);
  field = std::move(v);
}

Setting setting_of(const ImageSize& size) {
  if (size.height == size.width) return size.height;
  return Setting::List{size.height, size.width};
}
Setting setting_of(const BatchSize& batch) {
  if (!batch.is_automatic()) return batch.images;
  return batch.share > 0 ? Setting(batch.share) : Setting(-1);
}
template <class T>
Setting setting_of(const T& v) {
  if constexpr (IsOptional<T>::value)
    return v ? Setting(*v) : Setting();
  else
    return v;
}

}  // namespace

void assign(Args& args, const ArgumentRow& row, const Setting& value) {
  const Setting tidied = row.rule.tidy ? row.rule.tidy(row.name, value) : value;
  std::visit([&](auto field) { read(args.*field, row, tidied); }, row.field);
}

Setting value_of(const Args& args, const ArgumentRow& row) {
  return std::visit([&](auto field) { return setting_of(args.*field); }, row.field);
}

}  // namespace boxcar
