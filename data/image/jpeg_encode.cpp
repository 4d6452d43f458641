
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <cstdlib>

#include "boxcar/data/image/encode.h"
#include "boxcar/runtime/base/error.h"
// jpeglib.h wants size_t and FILE declared before it.
// clang-format off
#include <jpeglib.h>
// clang-format on

namespace boxcar {
namespace {

constexpr int kMostSide = 65500;  // the library's own limit

/// One compression into memory. As in the decoder, the library leaves by a jump, and the frames
/// it jumps over hold nothing that needs a destructor.
class JpegWriter {
 public:
  JpegWriter(const Image& image, const JpegOptions& options) : image_(image), options_(options) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = [](j_common_ptr info) {
      auto& w = *static_cast<JpegWriter*>(info->client_data);
      w.errors_.format_message(info, w.message_);
      longjmp(w.jump_, 1);
    };
    errors_.output_message = [](j_common_ptr) {};
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;
  ~JpegWriter() {
    jpeg_destroy_compress(&info_);
    std::free(bytes_);
  }

  std::vector<std::uint8_t> run() {
    if (!compress()) fail<Error>("cannot encode a JPEG: {}", message_);
    return {bytes_, bytes_ + size_};
  }

 private:
  bool compress() {
    if (setjmp(jump_) != 0) return false;
    jpeg_create_compress(&info_);
    jpeg_mem_dest(&info_, &bytes_, &size_);
    configure();
    jpeg_start_compress(&info_, TRUE);
    while (info_.next_scanline < info_.image_height) {
      auto* row = const_cast<JSAMPROW>(image_.row(static_cast<int>(info_.next_scanline)));  // only read
      jpeg_write_scanlines(&info_, &row, 1);
    }
    jpeg_finish_compress(&info_);
    return true;
  }
  void configure() {
    info_.image_width = static_cast<JDIMENSION>(image_.width);
    info_.image_height = static_cast<JDIMENSION>(image_.height);
    info_.input_components = image_.channels;
    info_.in_color_space = image_.channels == 1 ? JCS_GRAYSCALE : JCS_EXT_BGR;
    jpeg_set_defaults(&info_);
    jpeg_set_quality(&info_, options_.quality, TRUE);
    const int sampling = options_.subsample_chroma && image_.channels == 3 ? 2 : 1;
    info_.comp_info[0].h_samp_factor = info_.comp_info[0].v_samp_factor = sampling;
  }

  const Image& image_;
  JpegOptions options_;
  jpeg_compress_struct info_{};
  jpeg_error_mgr errors_{};
  jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = "";
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const Image& image, const JpegOptions& options) {
  if (image.empty() || (image.channels != 1 && image.channels != 3))
    fail<ArgumentError>("cannot encode a picture of {}x{} pixels and {} channels as JPEG; 1 or 3 channels are wanted",
                        image.width, image.height, image.channels);
  if (image.width > kMostSide || image.height > kMostSide)
    fail<ArgumentError>("a JPEG has at most {} pixels a side, not {}x{}", kMostSide, image.width, image.height);
  if (options.quality < 1 || options.quality > 100)
    fail<ArgumentError>("JPEG quality {} is not within 1 to 100", options.quality);
  return JpegWriter(image, options).run();
}

}  // namespace boxcar
