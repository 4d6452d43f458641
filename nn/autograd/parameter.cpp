#include "boxcar/nn/autograd/parameter.h"

#include <cmath>
#include <cstring>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/random/philox.h"

namespace boxcar::nn {
namespace {

// Walks a convolution weight in file order (o, i, y, x) and calls f(memory index).
template <class F>
void in_file_order(const Parameter& p, F&& f) {
  const std::vector<std::int64_t> s = p.file_shape();
  const bool depthwise = p.layout == FileLayout::kDepthwiseWeight;
  for (std::int64_t o = 0; o < s[0]; ++o) {
    for (std::int64_t i = 0; i < s[1]; ++i) {
      for (std::int64_t y = 0; y < s[2]; ++y) {
        for (std::int64_t x = 0; x < s[3]; ++x) {
          f(static_cast<std::size_t>(depthwise ? (y * s[3] + x) * s[0] + o : ((o * s[2] + y) * s[3] + x) * s[1] + i));
        }
      }
    }
  }
}

bool is_convolution(const Parameter& p) {
  return p.layout == FileLayout::kConvWeight || p.layout == FileLayout::kDepthwiseWeight;
}

std::string text(const std::vector<std::int64_t>& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? "," : "") + std::to_string(shape[i]);
  return out + "]";
}

// From file order to memory order; nothing stays nothing.
template <class T>
std::vector<T> in_memory(const Parameter& p, std::vector<T> file_order) {
  if (!is_convolution(p) || file_order.empty()) return file_order;
  std::vector<T> memory(file_order.size());
  std::size_t next = 0;
  in_file_order(p, [&](std::size_t index) { memory[index] = file_order[next++]; });
  return memory;
}

}  // namespace

std::vector<std::int64_t> Parameter::file_shape() const {
  switch (layout) {
    case FileLayout::kVector:
      if (kind == StateKind::kCounter) return {};
      return {shape.c};
    case FileLayout::kConvWeight:
      return {shape.n, shape.c, shape.h, shape.w};
    case FileLayout::kDepthwiseWeight:
      return {shape.c, 1, shape.h, shape.w};
    case FileLayout::kMatrix:
      return {shape.w, shape.c};
    case FileLayout::kAsIs:
      return {shape.n, shape.h, shape.w, shape.c};
  }
  return {};
}

std::vector<float> floats_of(const std::string& name, const HostTensor& t) {
  std::vector<float> values(static_cast<std::size_t>(t.count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    switch (t.dtype) {
      case DType::kF32:
        values[i] = t.as<float>()[i];
        break;
      case DType::kF16:
        values[i] = half_to_float(t.as<std::uint16_t>()[i]);
        break;
      case DType::kBF16:
        values[i] = float(t.as<bfloat16>()[i]);
        break;
      case DType::kF64:
        values[i] = static_cast<float>(t.as<double>()[i]);
        break;
      default:
        fail<ModelError>("weight '{}' is stored as {}; a floating type is needed", name, name_of(t.dtype));
    }
  }
  return values;
}

HostTensor to_file(const Parameter& p, const std::vector<float>& memory_order) {
  HostTensor tensor{DType::kF32, p.file_shape(), {}};
  tensor.bytes.resize(memory_order.size() * sizeof(float));
  if (!is_convolution(p)) {
    std::memcpy(tensor.bytes.data(), memory_order.data(), tensor.bytes.size());
    return tensor;
  }
  float* out = tensor.as<float>();
  in_file_order(p, [&](std::size_t memory) { *out++ = memory_order[memory]; });
  return tensor;
}

std::vector<float> from_file(const Parameter& p, const HostTensor& tensor) {
  if (tensor.shape != p.file_shape()) {
    fail<ModelError>("weight '{}' has the shape {}, the model wants {}", p.name, text(tensor.shape),
                     text(p.file_shape()));
  }
  return in_memory(p, floats_of(p.name, tensor));
}

void load(Parameter& p, const HostTensor& tensor, Stream& stream, const std::vector<bool>& given) {
  const std::vector<float> values = from_file(p, tensor);
  const std::vector<bool> flags = in_memory(p, given);
  std::vector<float> merged = p.value ? p.value.to_host(stream) : p.loaded ? p.loaded->values : values;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (flags.empty() || flags[i]) merged[i] = values[i];
  }
  if (p.value) {
    stream.copy(p.value.view().data, merged.data(), merged.size() * sizeof(float));
    stream.synchronize();
    return;
  }
  std::vector<bool> known = flags;
  if (p.loaded && !flags.empty()) {
    known = p.loaded->given;
    for (std::size_t i = 0; i < known.size(); ++i) known[i] = known[i] || flags[i];
  }
  p.loaded = {std::move(merged), std::move(known)};
}

bool load_if_equal(Parameter& p, const HostTensor& tensor, Stream& stream) {
  if (tensor.shape != p.file_shape()) return false;
  if (p.kind == StateKind::kCounter) {
    if (tensor.dtype != DType::kI64) return false;
    p.counter = *tensor.as<std::int64_t>();
  } else {
    load(p, tensor, stream);
  }
  return true;
}

std::vector<float> initial_values(const Parameter& p, const std::string& full_name, std::uint64_t seed) {
  std::vector<float> values(static_cast<std::size_t>(p.shape.count()), p.init_value);
  if (p.init == Init::kArange) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  } else if (p.init == Init::kUniformFanIn) {
    const double bound = 1.0 / std::sqrt(static_cast<double>(p.init_value));
    Random random(seed, hash_name(full_name));
    for (float& v : values) v = static_cast<float>(random.uniform(-bound, bound));
  }
  return values;
}

}  // namespace boxcar::nn
