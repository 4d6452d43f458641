// The name of the kernel that was launched last, kept where another process finds it after a hang or a crash.
#pragma once

namespace boxcar {

/// With BOXCAR_LAST_KERNEL=FILE in the environment, writes the name to the start of FILE (a line; the rest of the 256
/// bytes is zero). FILE is mapped into memory once, so this costs a copy of the name, and the file keeps it however the
/// process ends. With BOXCAR_SYNC=1, too, it is the kernel that runs; without, one of those queued may be. Without the
/// variable nothing happens. Throws DeviceError, at the first launch, if the file cannot be written.
void note_last_kernel(const char* name);

}  // namespace boxcar
