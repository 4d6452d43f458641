// The chunks of a PNG file.
#pragma once

#include "boxcar/data/image/headers.h"

namespace boxcar {

/// Walks all chunks (ISO/IEC 15948), compares their checksums, and reads size, colour type and
/// the orientation of an eXIf chunk. Throws DataError where a chunk is damaged, out of place or
/// missing. Bytes after the end chunk are ignored.
ImageHeader read_png_header(Bytes bytes);

}  // namespace boxcar
