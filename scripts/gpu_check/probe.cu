// What the driver says of the first card, and which libraries load, in lines of a name, a tab and a value.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstdio>

namespace {

void libraries() {
  const char* const names[] = {"libcuda.so.1",     "libcudnn.so.9",     "libcublasLt.so.13",   "libcublasLt.so.12",
                               "libnvjpeg.so.13",  "libnvjpeg.so.12",   "libnvidia-ml.so.1",   "libnccl.so.2"};
  for (const char* name : names) {
    void* const library = dlopen(name, RTLD_LAZY | RTLD_LOCAL);
    std::printf("%s\t%s\n", name, library ? "loads" : "not found");
  }
}

void version(const char* what, int number) { std::printf("%s\t%d.%d\n", what, number / 1000, number % 1000 / 10); }

int fail(const char* what, cudaError_t status) {
  std::printf("error\t%s: %s\n", what, cudaGetErrorString(status));
  return 1;
}

}  // namespace

int main() {
  std::printf("what\tvalue\n");
  libraries();
  int driver = 0, runtime = 0, count = 0;
  cudaDriverGetVersion(&driver);
  cudaRuntimeGetVersion(&runtime);
  version("CUDA of the driver", driver);
  version("CUDA of the program", runtime);
  if (const cudaError_t status = cudaGetDeviceCount(&count)) return fail("no device", status);
  std::printf("devices\t%d\n", count);
  cudaDeviceProp card;
  if (const cudaError_t status = cudaGetDeviceProperties(&card, 0)) return fail("device 0", status);
  std::printf("name\t%s\n", card.name);
  std::printf("compute capability\t%d.%d\n", card.major, card.minor);
  std::printf("multiprocessors\t%d\n", card.multiProcessorCount);
  std::printf("L2 cache, MiB\t%d\n", card.l2CacheSize >> 20);
  std::printf("shared memory a block, KiB\t%zu\n", card.sharedMemPerBlockOptin >> 10);
  std::size_t available = 0, total = 0;
  if (const cudaError_t status = cudaMemGetInfo(&available, &total)) return fail("memory", status);
  std::printf("memory, MiB\t%zu\n", total >> 20);
  std::printf("memory free, MiB\t%zu\n", available >> 20);
  return 0;
}
