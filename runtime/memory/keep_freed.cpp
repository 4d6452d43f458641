#include "boxcar/runtime/memory/keep_freed.h"

#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

namespace boxcar {

void keep_freed_memory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
#endif
}

}  // namespace boxcar
