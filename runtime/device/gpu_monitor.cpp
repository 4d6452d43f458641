#include "boxcar/runtime/device/gpu_monitor.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace boxcar {
namespace {

// NVML's functions as its manual declares them: the toolkit may come without the header. Results are 0 on success.
struct Utilization {
  unsigned gpu, memory;  // percent
};
struct Memory {
  unsigned long long total, free, used;  // bytes
};
using Handle = void*;
constexpr int kTemperatureOfGpu = 0;

struct Library {
  explicit Library(const std::string& file) : handle(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL)) {
    find(init, "nvmlInit_v2");
    find(shutdown, "nvmlShutdown");
    find(by_bus_id, "nvmlDeviceGetHandleByPciBusId_v2");
    find(utilization, "nvmlDeviceGetUtilizationRates");
    find(memory, "nvmlDeviceGetMemoryInfo");
    find(temperature, "nvmlDeviceGetTemperature");
    find(power, "nvmlDeviceGetPowerUsage");
    find(driver_version, "nvmlSystemGetDriverVersion");
  }
  ~Library() {
    if (handle) dlclose(handle);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  template <class F>
  void find(F*& function, const char* name) {
    if (handle) function = reinterpret_cast<F*>(dlsym(handle, name));
  }

  void* handle;
  int (*init)() = nullptr;
  int (*shutdown)() = nullptr;
  int (*by_bus_id)(const char*, Handle*) = nullptr;
  int (*utilization)(Handle, Utilization*) = nullptr;
  int (*memory)(Handle, Memory*) = nullptr;
  int (*temperature)(Handle, int, unsigned*) = nullptr;
  int (*power)(Handle, unsigned*) = nullptr;  // milliwatts
  int (*driver_version)(char*, unsigned) = nullptr;
};

class Nvml final : public GpuMonitor {
 public:
  explicit Nvml(const std::string& file) : library_(file) {}
  ~Nvml() override {
    if (begun_ && library_.shutdown) library_.shutdown();
  }

  bool begin(const std::string& pci_bus_id) {
    begun_ = library_.init && library_.init() == 0;
    return begun_ && library_.by_bus_id && library_.by_bus_id(pci_bus_id.c_str(), &device_) == 0;
  }

  GpuReading read() const override {
    GpuReading reading;
    Utilization utilization{};
    if (library_.utilization && library_.utilization(device_, &utilization) == 0) {
      reading.busy_percent = static_cast<int>(utilization.gpu);
    }
    Memory memory{};
    if (library_.memory && library_.memory(device_, &memory) == 0) {
      reading.used_mib = memory.used >> 20;
      reading.total_mib = memory.total >> 20;
    }
    unsigned value = 0;
    if (library_.power && library_.power(device_, &value) == 0) reading.watts = value * 1e-3;
    if (library_.temperature && library_.temperature(device_, kTemperatureOfGpu, &value) == 0) {
      reading.celsius = static_cast<int>(value);
    }
    return reading;
  }

  std::string driver_version() const override {
    char version[96] = {};  // NVML asks for 80
    if (!library_.driver_version || library_.driver_version(version, sizeof(version) - 1) != 0) return {};
    return version;
  }

 private:
  Library library_;
  Handle device_ = nullptr;
  bool begun_ = false;
};

}  // namespace

std::string GpuReading::text() const {
  std::string out;
  const auto add = [&](const std::string& part) { out += (out.empty() ? "" : ", ") + part; };
  if (busy_percent) add(fmt::format("{}% busy", *busy_percent));
  if (used_mib && total_mib) add(fmt::format("{} of {} MiB in use", *used_mib, *total_mib));
  if (watts) add(fmt::format("{:.0f} W", *watts));
  if (celsius) add(fmt::format("{} C", *celsius));
  return out;
}

std::unique_ptr<GpuMonitor> GpuMonitor::open(const std::string& pci_bus_id, const std::string& library) {
  auto nvml = std::make_unique<Nvml>(library);
  if (!nvml->begin(pci_bus_id)) return nullptr;
  return nvml;
}

}  // namespace boxcar
