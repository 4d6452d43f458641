#include "boxcar/nn/arena/arena.h"

#include <cstring>
#include <map>

#include "boxcar/runtime/base/error.h"

namespace boxcar::nn {
namespace {

constexpr std::int64_t kAlignFloats = 32;  // 128 bytes

std::int64_t aligned(std::int64_t floats) { return (floats + kAlignFloats - 1) / kAlignFloats * kAlignFloats; }

Tensor slice(const Tensor& flat, std::int64_t offset, Shape shape) {
  const TensorView view{flat.as() + offset, DType::kF32, shape.n, shape.h, shape.w, shape.c, shape.c};
  return Tensor::wrap(view, std::make_shared<Tensor>(flat));
}

// Of a flat buffer as a tensor: [1,1,rows,32], so that no side overflows an int.
Shape flat_shape(std::int64_t floats) {
  return {1, 1, static_cast<int>(floats / kAlignFloats), static_cast<int>(kAlignFloats)};
}

}  // namespace

ParamArena::ParamArena(Module& root, Stream& stream, std::uint64_t seed) : stream_(stream) {
  lay_out(root);
  values_ = Tensor::zeros(stream, flat_shape(total_floats_));
  grads_ = Tensor::zeros(stream, flat_shape(parameter_floats_));
  fill(seed);
  bind();
}

void ParamArena::lay_out(Module& root) {
  root.for_each_parameter([&](const std::string& name, Parameter& p) {
    entries_.push_back({name, &p, -1, p.kind == StateKind::kCounter ? 0 : p.shape.count()});
  });
  for (const StateKind kind : {StateKind::kParameter, StateKind::kBuffer}) {
    for (Entry& entry : entries_) {
      if (entry.parameter->kind != kind) continue;
      entry.offset = total_floats_;
      total_floats_ += aligned(entry.count);
    }
    if (kind == StateKind::kParameter) parameter_floats_ = total_floats_;
  }
}

void ParamArena::fill(std::uint64_t seed) {
  std::vector<float> host(static_cast<std::size_t>(total_floats_));
  for (const Entry& entry : entries_) {
    if (entry.offset < 0) continue;
    Parameter& p = *entry.parameter;
    std::vector<float> values = p.value ? p.value.to_host(stream_) : initial_values(p, entry.name, seed);
    if (p.loaded) {
      const auto& [loaded, given] = *p.loaded;
      for (std::size_t i = 0; i < values.size(); ++i) {
        if (given.empty() || given[i]) values[i] = loaded[i];
      }
      p.loaded.reset();
    }
    std::copy(values.begin(), values.end(), host.begin() + entry.offset);
  }
  stream_.copy(values_.view().data, host.data(), host.size() * sizeof(float));
  stream_.synchronize();
}

void ParamArena::bind() {
  const Tensor parameters = slice(values_, 0, flat_shape(parameter_floats_));
  for (const Entry& entry : entries_) {
    if (entry.offset < 0) continue;
    Parameter& p = *entry.parameter;
    p.value = slice(values_, entry.offset, p.shape);
    if (p.kind != StateKind::kParameter) continue;
    p.grad = slice(grads_, entry.offset, p.shape);
    p.arena = parameters;
  }
}

std::span<float> ParamArena::values() const { return {values_.as(), static_cast<std::size_t>(total_floats_)}; }
std::span<float> ParamArena::parameters() const { return values().first(static_cast<std::size_t>(parameter_floats_)); }
std::span<float> ParamArena::grads() const { return {grads_.as(), static_cast<std::size_t>(parameter_floats_)}; }

void ParamArena::zero_grads() {
  stream_.fill(grads_.view().data, 0, static_cast<std::size_t>(parameter_floats_) * sizeof(float));
}

Tensor ParamArena::bind_values(Tensor values) {
  if (values.shape() != values_.shape()) {
    fail<ShapeError>("the model's values are {}, not {}", values_.shape().str(), values.shape().str());
  }
  std::swap(values, values_);
  bind();
  return values;
}

ProbeValues::ProbeValues(Module& root, Stream& stream) {
  root.for_each_parameter([&](const std::string&, Parameter& p) {
    if (p.value || p.kind == StateKind::kCounter) return;
    p.value = Tensor::zeros(stream, p.shape);
    given_.push_back(&p);
  });
}

ProbeValues::~ProbeValues() {
  for (Parameter* p : given_) p->value.reset();
}

NamedTensors state_dict(const ParamArena& arena, std::span<const float> values) {
  NamedTensors tensors;
  for (const ParamArena::Entry& entry : arena.entries()) {
    if (entry.offset < 0) {
      HostTensor counter{DType::kI64, {}, std::vector<std::byte>(sizeof(std::int64_t))};
      std::memcpy(counter.bytes.data(), &entry.parameter->counter, sizeof(std::int64_t));
      tensors.emplace_back(entry.name, std::move(counter));
      continue;
    }
    const auto part = values.subspan(static_cast<std::size_t>(entry.offset), static_cast<std::size_t>(entry.count));
    tensors.emplace_back(entry.name, to_file(*entry.parameter, {part.begin(), part.end()}));
  }
  return tensors;
}

std::vector<std::string> load_matching(Module& root, const NamedTensors& weights, Stream& stream) {
  std::map<std::string_view, const HostTensor*> by_name;
  for (const auto& [name, tensor] : weights) by_name.emplace(name, &tensor);
  std::vector<std::string> taken;
  root.for_each_parameter([&](const std::string& name, Parameter& p) {
    const auto found = by_name.find(name);
    if (found != by_name.end() && load_if_equal(p, *found->second, stream)) taken.push_back(name);
  });
  return taken;
}

}  // namespace boxcar::nn
