// BOXCAR_CUDA=ON. The headers of NVTX find a listening tool by themselves; nothing is linked.
#include <nvtx3/nvToolsExt.h>

#include "boxcar/runtime/profile/range.h"

namespace boxcar {
namespace {

nvtxDomainHandle_t domain() {
  static const nvtxDomainHandle_t handle = nvtxDomainCreateA("boxcar");
  return handle;
}

}  // namespace

TraceRange::TraceRange(const char* name) noexcept {
  nvtxEventAttributes_t attributes{};
  attributes.version = NVTX_VERSION;
  attributes.size = NVTX_EVENT_ATTRIB_STRUCT_SIZE;
  attributes.messageType = NVTX_MESSAGE_TYPE_ASCII;
  attributes.message.ascii = name;
  nvtxDomainRangePushEx(domain(), &attributes);
}

TraceRange::~TraceRange() { nvtxDomainRangePop(domain()); }

}  // namespace boxcar
