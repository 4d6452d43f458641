// What a GPU says of itself beside its work: load, memory, power, temperature.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

namespace boxcar {

/// Of one moment. What the GPU does not tell is absent.
struct GpuReading {
  std::optional<int> busy_percent;  // of the last sample (up to a second): the part in which a kernel ran
  std::optional<std::size_t> used_mib, total_mib;  // memory, of all programs
  std::optional<double> watts;
  std::optional<int> celsius;

  /// "87% busy, 14300 of 81559 MiB in use, 310 W, 62 C"; empty where nothing is known.
  std::string text() const;
};

/// Reads a GPU through NVML, which comes with NVIDIA's driver and is looked for when asked.
class GpuMonitor {
 public:
  /// The GPU by cuda_pci_bus_id(). Null where the library or the GPU in it is not there.
  static std::unique_ptr<GpuMonitor> open(const std::string& pci_bus_id,
                                          const std::string& library = "libnvidia-ml.so.1");
  virtual ~GpuMonitor() = default;
  virtual GpuReading read() const = 0;
  /// "580.65.06"; empty where it is not told.
  virtual std::string driver_version() const = 0;
};

}  // namespace boxcar
