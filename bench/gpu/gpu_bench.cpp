// Kernels on a GPU: time, bytes and operations a second, beside what the card does at best.
//   gpu_bench FOLDER [quick] [f32]
// Writes FOLDER/peaks.tsv and FOLDER/kernels.tsv. `quick` runs everything once at tiny sizes, for emulation.
#include <fmt/format.h>

#include <cstring>

#include "boxcar/runtime/base/error.h"
#include "cases.h"
#include "library_gemm.h"
#include "table.h"

namespace boxcar::bench {
namespace {

// What the card does at best; 0: not measured.
struct Peaks {
  double bytes_per_second = 0, flops = 0;
};

double rate(std::int64_t amount, double microseconds) {
  return microseconds > 0 ? static_cast<double>(amount) / microseconds * 1e6 : 0.0;
}

std::string number(double value) { return value > 0 ? fmt::format("{:.4g}", value) : ""; }
std::string percent(double part, double whole) {
  return part > 0 && whole > 0 ? fmt::format("{:.0f} %", 100 * part / whole) : "";
}

Measured measure_copy(Stream& stream, const Settings& settings) {
  const int count = static_cast<int>(settings.copy_bytes / 4);
  const Tensor from = random_tensor(stream, {1, 1, 1, count}), to = Tensor::empty(stream, {1, 1, 1, count});
  const auto bytes = static_cast<std::size_t>(settings.copy_bytes);
  const Call call = [=](Stream& s) { s.copy(to.view().data, from.view().data, bytes); };
  return {"copy",
          fmt::format("{} MiB", settings.copy_bytes >> 20),
          time_calls(stream, {call}, settings),
          {2 * settings.copy_bytes, 0}};
}

Peaks write_peaks(Stream& stream, const Settings& settings, const std::filesystem::path& file) {
  Table table(file, {"what", "size", "us", "GB/s", "TFLOP/s", "note"});
  Peaks peaks;
  const auto add = [&](const Measured& m) {
    peaks.bytes_per_second = std::max(peaks.bytes_per_second, rate(m.cost.bytes, m.microseconds.median));
    peaks.flops = std::max(peaks.flops, rate(m.cost.flops, m.microseconds.median));
    table.row({m.op, m.shape, number(m.microseconds.median), number(rate(m.cost.bytes, m.microseconds.median) / 1e9),
               number(rate(m.cost.flops, m.microseconds.median) / 1e12), ""});
  };
  add(measure_copy(stream, settings));
  std::string why;
  if (const auto gemm = measure_library_gemm(stream, settings, why)) {
    add(*gemm);
  } else {
    table.row({"cuBLAS", "", "", "", "", why});
  }
  return peaks;
}

// A case that fails takes a line of the table, and the next one is measured. Returns how many failed.
int write_kernels(Stream& stream, const Settings& settings, const std::vector<Case>& cases, const Peaks& peaks,
                  Table& table) {
  int failed = 0;
  for (const Case& one : cases) {
    try {
      const Measured m = measure(stream, one, settings);
      const Timing& t = m.microseconds;
      const double bytes = rate(m.cost.bytes, t.median), flops = rate(m.cost.flops, t.median);
      table.row({m.op, m.shape, number(t.median), fmt::format("{:.4g}..{:.4g}", t.low, t.high), number(bytes / 1e9),
                 percent(bytes, peaks.bytes_per_second), number(flops / 1e12), percent(flops, peaks.flops)});
    } catch (const Error& error) {
      stream.set_profiler(nullptr);
      table.row({"failed", one.shape, "", error.what(), "", "", "", ""});
      ++failed;
    }
    stream.pool()->release_unused();
  }
  return failed;
}

int run(const std::filesystem::path& folder, const Settings& settings, DType dtype) {
  Stream stream(Device::cuda());
  const Peaks peaks = write_peaks(stream, settings, folder / "peaks.tsv");
  Table table(folder / "kernels.tsv",
              {"op", "shape", "us", "p10..p90", "GB/s", "of copy", "TFLOP/s", "of matrix product"});
  int failed = 0;
  for (const auto cases : {memory_cases, convolution_cases, step_cases}) {
    failed += write_kernels(stream, settings, cases(settings, dtype), peaks, table);
  }
  fmt::print("{} case(s) failed\n", failed);
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace boxcar::bench

int main(int argc, char** argv) {
  boxcar::bench::Settings settings;
  boxcar::DType dtype = boxcar::DType::kBF16;
  bool understood = argc >= 2;
  for (int i = 2; i < argc; ++i) {
    if (std::strcmp(argv[i], "quick") == 0) {
      settings = boxcar::bench::Settings::quick();
    } else if (std::strcmp(argv[i], "f32") == 0) {
      dtype = boxcar::DType::kF32;
    } else {
      understood = false;
    }
  }
  if (!understood) {
    fmt::print(stderr, "usage: gpu_bench FOLDER [quick] [f32]\n");
    return 2;
  }
  try {
    return boxcar::bench::run(argv[1], settings, dtype);
  } catch (const std::exception& error) {
    fmt::print(stderr, "gpu_bench: {}\n", error.what());
    return 1;
  }
}
