#include "boxcar/trainers/args/device_choice.h"

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/trainers/args/forms.h"

namespace boxcar {
namespace {

constexpr int kHighestGpu = 1023;

[[noreturn]] void refuse(const Setting& value) {
  fail<ArgumentError>("argument 'device' must be cpu, a GPU number such as 0, several such as 0,1 or cuda:0, not {}",
                      shown(value));
}

void add_gpu(DeviceChoice& choice, const Setting& item, const Setting& value) {
  if (!item.is_integer() || *item.whole() < -1 || *item.whole() > kHighestGpu) refuse(value);
  const int gpu = static_cast<int>(*item.whole());
  if (gpu >= 0 && std::ranges::find(choice.gpus, gpu) != choice.gpus.end())
    fail<ArgumentError>("argument 'device' names GPU {} twice in {}", gpu, shown(value));
  choice.gpus.push_back(gpu);
}

DeviceChoice gpus_of(const Setting& numbers, const Setting& value) {
  DeviceChoice choice{DeviceChoice::Kind::cuda, {}};
  if (!numbers.is_list())
    add_gpu(choice, numbers, value);
  else
    for (const Setting& item : numbers.as_list()) add_gpu(choice, item, value);
  if (choice.gpus.empty()) refuse(value);
  return choice;
}

}  // namespace

DeviceChoice parse_device_choice(const Setting& value) {
  if (value.is_null()) return {};
  if (!value.is_text()) return gpus_of(value, value);
  std::string text = value.as_text();
  for (char& c : text) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (text.empty() || text == "none") return {};
  if (text == "cpu") return {DeviceChoice::Kind::cpu, {}};
  if (text == "cuda") return {DeviceChoice::Kind::cuda, {0}};
  if (text.starts_with("cuda:")) text.erase(0, 5);
  return gpus_of(parse_setting(text), value);
}

Device chosen_device(const Setting& value) {
  const DeviceChoice choice = parse_device_choice(value);
  if (choice.kind != DeviceChoice::Kind::cuda) return Device::cpu();
  if (choice.gpus.size() > 1) {
    fail<DeviceError>("device={} cannot be used: this version of boxcar works on one GPU; name one of them",
                      value.to_text());
  }
  if (choice.gpus.front() < 0) {
    fail<DeviceError>("device={} cannot be used: boxcar does not look for an idle GPU; name one, as in device=0",
                      value.to_text());
  }
  return Device::cuda(choice.gpus.front());
}

}  // namespace boxcar
