// The headers of a BMP file.
#pragma once

#include "boxcar/data/image/headers.h"

namespace boxcar {

/// Size and depth of an uncompressed BMP. Throws DataError where it is damaged, compressed, or
/// its pixels are not all within `bytes`.
ImageHeader read_bmp_header(Bytes bytes);

}  // namespace boxcar
