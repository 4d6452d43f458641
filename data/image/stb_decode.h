// PNG and BMP pixels, by stb_image. The only file that includes it is stb_decode.cpp.
#pragma once

#include "boxcar/data/image/headers.h"
#include "boxcar/data/image/image.h"

namespace boxcar {

/// Decodes a PNG or BMP whose header was read before (it bounds what may be allocated).
/// `channels` 3: B, G, R; 1: grey. Palettes become colours, 16 bits their high byte, alpha is
/// dropped without blending. Not turned upright. Throws DataError on damaged data.
Image decode_png_or_bmp(Bytes bytes, const ImageHeader& header, int channels);

}  // namespace boxcar
