#include "support/golden.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace boxcar::test {
namespace {

std::vector<char> read_file(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(in), {}};
}

DType dtype_from(const std::string& name) {
  static const std::map<std::string, DType> kTypes{
      {"F32", DType::kF32}, {"F64", DType::kF64}, {"F16", DType::kF16}, {"BF16", DType::kBF16}, {"I64", DType::kI64},
      {"I32", DType::kI32}, {"I16", DType::kI16}, {"I8", DType::kI8},   {"U8", DType::kU8},     {"BOOL", DType::kBool}};
  return kTypes.at(name);
}

template <class To, class From>
void append(const std::vector<std::byte>& bytes, std::vector<To>& out) {
  for (std::size_t i = 0; i + sizeof(From) <= bytes.size(); i += sizeof(From)) {
    From value;
    std::memcpy(&value, bytes.data() + i, sizeof(From));
    out.push_back(static_cast<To>(value));
  }
}

template <class To>
std::vector<To> convert(const GoldenTensor& t) {
  std::vector<To> out;
  switch (t.dtype) {
    case DType::kF32:
      append<To, float>(t.bytes, out);
      break;
    case DType::kF64:
      append<To, double>(t.bytes, out);
      break;
    case DType::kI64:
      append<To, std::int64_t>(t.bytes, out);
      break;
    case DType::kI32:
      append<To, std::int32_t>(t.bytes, out);
      break;
    case DType::kU8:
    case DType::kBool:
      append<To, std::uint8_t>(t.bytes, out);
      break;
    default:
      throw std::runtime_error("a golden tensor of an unexpected type");
  }
  return out;
}

}  // namespace

std::filesystem::path shared(const std::string& relative) {
  return std::filesystem::path(BOXCAR_SHARED_DIR) / relative;
}
bool have_shared() { return std::filesystem::is_directory(shared("golden")); }
bool in_ci() {
  const char* ci = std::getenv("CI");
  return ci && std::string(ci) == "true";
}
std::string missing_shared_message() {
  return std::string("no golden numbers at ") + BOXCAR_SHARED_DIR + ": set the CMake variable BOXCAR_SHARED";
}

nlohmann::json read_json(const std::filesystem::path& file) {
  const auto text = read_file(file);
  return nlohmann::json::parse(text.begin(), text.end());
}

std::vector<float> GoldenTensor::floats() const { return convert<float>(*this); }
std::vector<double> GoldenTensor::doubles() const { return convert<double>(*this); }
std::vector<std::int64_t> GoldenTensor::integers() const { return convert<std::int64_t>(*this); }

std::map<std::string, GoldenTensor> read_golden(const std::filesystem::path& file) {
  const auto data = read_file(file);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, data.data(), 8);
  const char* base = data.data() + 8 + header_bytes;
  const auto header = nlohmann::json::parse(data.data() + 8, base);
  std::map<std::string, GoldenTensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    GoldenTensor t{dtype_from(entry["dtype"]), entry["shape"].get<std::vector<std::int64_t>>(), {}};
    const auto begin = entry["data_offsets"][0].get<std::size_t>(), end = entry["data_offsets"][1].get<std::size_t>();
    t.bytes.resize(end - begin);
    if (end > begin) std::memcpy(t.bytes.data(), base + begin, end - begin);
    tensors.emplace(name, std::move(t));
  }
  return tensors;
}

double max_difference(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(double{a[i]} - double{b[i]});
    if (!(d <= worst)) worst = std::isnan(d) ? std::numeric_limits<double>::infinity() : d;
  }
  return worst;
}

double max_abs(const std::vector<float>& a) {
  double worst = 0;
  for (const float v : a) worst = std::max(worst, std::abs(double{v}));
  return worst;
}

std::vector<float> to_nhwc(const std::vector<float>& nchw, int n, int c, int h, int w) {
  std::vector<float> out(nchw.size());
  std::size_t i = 0;
  for (int b = 0; b < n; ++b)
    for (int k = 0; k < c; ++k)
      for (int y = 0; y < h; ++y)
        for (int x = 0; x < w; ++x) out[((std::size_t(b) * h + y) * w + x) * c + k] = nchw[i++];
  return out;
}

std::vector<float> to_nchw(const std::vector<float>& nhwc, int n, int h, int w, int c) {
  std::vector<float> out(nhwc.size());
  std::size_t i = 0;
  for (int b = 0; b < n; ++b)
    for (int y = 0; y < h; ++y)
      for (int x = 0; x < w; ++x)
        for (int k = 0; k < c; ++k) out[((std::size_t(b) * c + k) * h + y) * w + x] = nhwc[i++];
  return out;
}

}  // namespace boxcar::test
