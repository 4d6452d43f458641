// CUDA's part of the device interface on the CUDA runtime (BOXCAR_CUDA=ON).
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/device/backend.h"
#include "boxcar/runtime/device/check_cuda.h"
#include "boxcar/runtime/device/cuda_errors.h"
#include "boxcar/runtime/device/cuda_queries.h"
#include "boxcar/runtime/device/last_kernel.h"

namespace boxcar {
namespace {

void require(Device device) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    cudaGetLastError();
    CudaVersions versions;
    cudaDriverGetVersion(&versions.driver);
    cudaRuntimeGetVersion(&versions.runtime);
    fail<DeviceError>("device {} is not available: {}", device.name(),
                      cuda_trouble(status, cudaGetErrorString(status), versions));
  }
  if (device.index < 0 || device.index >= count) {
    fail<DeviceError>("device {} is not available: {} CUDA device(s) found; use device=cpu or a lower index",
                      device.name(), count);
  }
}

// A GPU for which nothing was compiled would fail at its first kernel, some way into a run.
void require_code(Device device) {
  int major = 0, minor = 0;
  BOXCAR_CHECK_CUDA(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device.index));
  BOXCAR_CHECK_CUDA(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device.index));
  if (has_code_for(BOXCAR_CUDA_ARCHITECTURES, major, minor)) return;
  fail<DeviceError>(
      "device {} is not available: it has compute capability {}.{}, and this boxcar was built for {}; build it with "
      "-DBOXCAR_CUDA_ARCHITECTURES={}{}, or use device=cpu",
      device.name(), major, minor, BOXCAR_CUDA_ARCHITECTURES, major, minor);
}

// Makes a device the calling thread's; cheap when it already is.
void make_current(Device device) { BOXCAR_CHECK_CUDA(cudaSetDevice(device.index)); }

class CudaEvent final : public EventBackend {
 public:
  CudaEvent(Device device, bool timed) {
    make_current(device);
    BOXCAR_CHECK_CUDA(cudaEventCreateWithFlags(&event_, timed ? cudaEventDefault : cudaEventDisableTiming));
  }
  ~CudaEvent() override { cudaEventDestroy(event_); }
  void synchronize() override { BOXCAR_CHECK_CUDA(cudaEventSynchronize(event_)); }
  bool done() override {
    const cudaError_t status = cudaEventQuery(event_);
    if (status == cudaErrorNotReady) return false;
    BOXCAR_CHECK_CUDA(status);
    return true;
  }
  double milliseconds_since(EventBackend& start) override;
  cudaEvent_t handle() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

cudaEvent_t handle_of(EventBackend& event) {
  auto* cuda = dynamic_cast<CudaEvent*>(&event);
  if (!cuda) fail<DeviceError>("a CUDA stream can only use an event made for a CUDA device");
  return cuda->handle();
}

double CudaEvent::milliseconds_since(EventBackend& start) {
  float milliseconds = 0.0f;
  synchronize();
  BOXCAR_CHECK_CUDA(cudaEventElapsedTime(&milliseconds, handle_of(start), event_));
  return milliseconds;
}

class CudaGraph final : public GraphBackend {
 public:
  explicit CudaGraph(cudaGraph_t graph) : graph_(graph) {
    const cudaError_t status = cudaGraphInstantiate(&executable_, graph_, 0);
    if (status != cudaSuccess) cudaGraphDestroy(graph_);
    BOXCAR_CHECK_CUDA(status);
  }
  ~CudaGraph() override {
    cudaGraphExecDestroy(executable_);
    cudaGraphDestroy(graph_);
  }
  void launch(StreamBackend& stream) override {
    BOXCAR_CHECK_CUDA(cudaGraphLaunch(executable_, static_cast<cudaStream_t>(stream.handle())));
  }
  int kernels() const override {
    std::size_t count = 0;
    BOXCAR_CHECK_CUDA(cudaGraphGetNodes(graph_, nullptr, &count));
    std::vector<cudaGraphNode_t> nodes(count);
    BOXCAR_CHECK_CUDA(cudaGraphGetNodes(graph_, nodes.data(), &count));
    int kernels = 0;
    for (const cudaGraphNode_t node : nodes) {
      cudaGraphNodeType type;
      BOXCAR_CHECK_CUDA(cudaGraphNodeGetType(node, &type));
      kernels += type == cudaGraphNodeTypeKernel;
    }
    return kernels;
  }

 private:
  cudaGraph_t graph_;
  cudaGraphExec_t executable_ = nullptr;
};

class CudaStream final : public StreamBackend {
 public:
  explicit CudaStream(Device device) : device_(device) {
    make_current(device_);
    const char* sync = std::getenv("BOXCAR_SYNC");
    synchronize_launches_ = sync && std::string_view(sync) == "1";
    BOXCAR_CHECK_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
  }
  ~CudaStream() override {
    // Errors of work still queued have no caller to go to.
    cudaStreamSynchronize(stream_);
    cudaStreamDestroy(stream_);
  }

  void synchronize() override {
    refuse_in_capture("synchronize()");
    BOXCAR_CHECK_CUDA(cudaStreamSynchronize(stream_));
  }
  void* handle() const override {
    make_current(device_);
    return stream_;
  }
  void copy(void* to, const void* from, std::size_t bytes) override {
    make_current(device_);
    if (bytes) BOXCAR_CHECK_CUDA(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream_));
  }
  void fill(void* to, int byte, std::size_t bytes) override {
    make_current(device_);
    if (bytes) BOXCAR_CHECK_CUDA(cudaMemsetAsync(to, byte, bytes, stream_));
  }
  void launched(const char* name) override {
    note_last_kernel(name);
    if (!synchronize_launches_ || capturing_) return;
    const cudaError_t status = cudaStreamSynchronize(stream_);
    if (status != cudaSuccess) fail<DeviceError>("kernel {} failed: {}", name, cudaGetErrorString(status));
  }
  void record(EventBackend& event) override {
    refuse_in_capture("an event");
    make_current(device_);
    BOXCAR_CHECK_CUDA(cudaEventRecord(handle_of(event), stream_));
  }
  void wait(EventBackend& event) override {
    refuse_in_capture("an event");
    make_current(device_);
    BOXCAR_CHECK_CUDA(cudaStreamWaitEvent(stream_, handle_of(event), 0));
  }
  // Thread-local, because threads that load data call CUDA too.
  void begin_capture() override {
    refuse_in_capture("begin_capture()");
    make_current(device_);
    BOXCAR_CHECK_CUDA(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
    capturing_ = true;
  }
  std::unique_ptr<GraphBackend> end_capture() override {
    if (!capturing_) fail<DeviceError>("end_capture() without begin_capture() on the same stream");
    capturing_ = false;
    cudaGraph_t graph = nullptr;
    BOXCAR_CHECK_CUDA(cudaStreamEndCapture(stream_, &graph));
    return std::make_unique<CudaGraph>(graph);
  }

 private:
  void refuse_in_capture(const char* what) const {
    if (capturing_) fail<DeviceError>("{} is not possible between begin_capture() and end_capture()", what);
  }

  Device device_;
  cudaStream_t stream_ = nullptr;
  bool synchronize_launches_ = false;
  bool capturing_ = false;
};

}  // namespace

std::unique_ptr<StreamBackend> make_cuda_stream(Device device) {
  require(device);
  require_code(device);
  return std::make_unique<CudaStream>(device);
}

std::unique_ptr<EventBackend> make_cuda_event(Device device, bool timed) {
  require(device);
  return std::make_unique<CudaEvent>(device, timed);
}

// cudaMalloc's blocks start at a multiple of 256 bytes, the most that is asked for.
void* cuda_allocate(Device device, std::size_t bytes, std::size_t) {
  require(device);
  make_current(device);
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  BOXCAR_CHECK_CUDA(status);
  return data;
}

void cuda_free(Device device, void* data) noexcept {
  if (cudaSetDevice(device.index) == cudaSuccess) cudaFree(data);
}

void* cuda_allocate_host(Device device, std::size_t bytes) {
  require(device);
  make_current(device);
  void* data = nullptr;
  const cudaError_t status = cudaMallocHost(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  BOXCAR_CHECK_CUDA(status);
  return data;
}

void cuda_free_host(void* data) noexcept { cudaFreeHost(data); }

std::string cuda_pci_bus_id(Device device) {
  require(device);
  char id[32] = {};
  BOXCAR_CHECK_CUDA(cudaDeviceGetPCIBusId(id, sizeof(id), device.index));
  return id;
}

DeviceMemory cuda_memory(Device device) {
  require(device);
  make_current(device);
  DeviceMemory memory;
  BOXCAR_CHECK_CUDA(cudaMemGetInfo(&memory.free, &memory.total));
  return memory;
}

bool cuda_is_emulated() noexcept { return false; }

int cuda_device_count() noexcept {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  cudaGetLastError();
  return 0;
}

CudaReport cuda_report() noexcept try {
  CudaReport report{.toolkit = CUDART_VERSION};
  if (cudaDriverGetVersion(&report.driver) != cudaSuccess) report.driver = 0;
  for (int i = 0; i < cuda_device_count(); ++i) {
    cudaDeviceProp card;
    BOXCAR_CHECK_CUDA(cudaGetDeviceProperties(&card, i));
    report.cards.push_back(fmt::format("{}, {:.1f} GiB, compute capability {}.{}", card.name,
                                       static_cast<double>(card.totalGlobalMem) / (1 << 30), card.major, card.minor));
  }
  return report;
} catch (const std::exception&) {
  return {.toolkit = CUDART_VERSION};
}

}  // namespace boxcar
