// A libnvidia-ml.so.1 with one card. FAKE_NVML_FAILS=init,power,... makes these functions fail.
#include <cstdlib>
#include <cstring>

namespace {

int g_card;

int status(const char* name) {
  const char* fails = std::getenv("FAKE_NVML_FAILS");
  return fails && std::strstr(fails, name) ? 3 : 0;  // 3: not supported
}

}  // namespace

extern "C" {

struct Rates {
  unsigned gpu, memory;
};
struct Bytes {
  unsigned long long total, free, used;
};

int nvmlInit_v2() { return status("init"); }
int nvmlShutdown() { return 0; }
int nvmlDeviceGetHandleByPciBusId_v2(const char* id, void** device) {
  if (std::strcmp(id, "0000:00:00.0") != 0) return 6;  // not found
  *device = &g_card;
  return 0;
}
int nvmlDeviceGetUtilizationRates(void* device, Rates* rates) {
  if (device != &g_card) return 2;
  *rates = {87, 40};
  return status("utilization");
}
int nvmlDeviceGetMemoryInfo(void* device, Bytes* bytes) {
  if (device != &g_card) return 2;
  *bytes = {81559ull << 20, 67259ull << 20, 14300ull << 20};
  return status("memory");
}
int nvmlDeviceGetTemperature(void* device, int sensor, unsigned* celsius) {
  if (device != &g_card || sensor != 0) return 2;
  *celsius = 62;
  return status("temperature");
}
int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  if (device != &g_card) return 2;
  *milliwatts = 310400;
  return status("power");
}
int nvmlSystemGetDriverVersion(char* version, unsigned length) {
  if (length < 10) return 7;
  std::strcpy(version, "580.65.06");
  return status("driver");
}
}
