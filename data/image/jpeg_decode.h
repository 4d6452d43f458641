// JPEG pixels, by libjpeg-turbo.
#pragma once

#include "boxcar/data/image/headers.h"
#include "boxcar/data/image/image.h"

namespace boxcar {

/// Decodes a JPEG whose header was read before. `channels` 3: B, G, R; 1: grey (the luma). CMYK
/// is converted without a colour profile. Not turned upright.
///
/// A missing end marker or bytes after it do no harm. Throws DataError where the library gives up
/// or image data is missing at the end of the file. Damage within the data that the library can get
/// over (it leaves a smear) is accepted as the reference accepts it, unless `strict`.
Image decode_jpeg(Bytes bytes, const ImageHeader& header, int channels, bool strict);

}  // namespace boxcar
