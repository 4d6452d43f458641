// The marker segments of a JPEG file up to its image data.
#pragma once

#include "boxcar/data/image/headers.h"

namespace boxcar {

/// Size, components and EXIF orientation (ITU-T T.81, annex B). Throws DataError where the
/// segments are damaged, the process is not one that is decoded (baseline, extended and
/// progressive, 8 bits), or the image data is not reached within `bytes`.
ImageHeader read_jpeg_header(Bytes bytes);

/// Whether the file ends with the end marker. If not it was cut short or has bytes after it.
bool jpeg_ends_properly(Bytes bytes);

}  // namespace boxcar
