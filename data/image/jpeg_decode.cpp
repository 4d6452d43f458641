#include "boxcar/data/image/jpeg_decode.h"

#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <vector>
// jpeglib.h wants size_t and FILE declared before it.
// clang-format off
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

namespace boxcar {
namespace {

constexpr int kMostScans = 500;  // of a progressive file; more is an attempt to keep us busy

/// One decompression. The library reports a fatal error by a jump out of its own call: each step runs
/// under guarded(), whose frame and those below hold nothing that needs a destructor.
class JpegReader {
 public:
  explicit JpegReader(Bytes bytes) {
    info_.err = jpeg_std_error(&errors_);
    info_.client_data = this;
    errors_.error_exit = on_error;
    errors_.emit_message = on_message;
    errors_.output_message = [](j_common_ptr) {};
    guarded([](JpegReader& r) { jpeg_create_decompress(&r.info_); });
    progress_.progress_monitor = on_progress;
    info_.progress = &progress_;
    source_.next_input_byte = bytes.data();
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = on_end_of_input;
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.term_source = [](j_decompress_ptr) {};
    info_.src = &source_;
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() { jpeg_destroy_decompress(&info_); }

  void start(int channels) {
    grey_ = channels == 1;
    guarded([](JpegReader& r) {
      jpeg_read_header(&r.info_, TRUE);
      r.choose_output();
      jpeg_start_decompress(&r.info_);
    });
  }
  /// Fills rows of row_bytes() each, height() of them.
  void read_rows(std::uint8_t* to) {
    to_ = to;
    guarded([](JpegReader& r) {
      while (r.info_.output_scanline < r.info_.output_height) {
        JSAMPROW row = r.to_ + static_cast<std::size_t>(r.info_.output_scanline) * r.row_bytes();
        jpeg_read_scanlines(&r.info_, &row, 1);
      }
    });
  }

  int height() const { return static_cast<int>(info_.output_height); }
  int width() const { return static_cast<int>(info_.output_width); }
  std::size_t row_bytes() const { return std::size_t{info_.output_width} * static_cast<std::size_t>(components()); }
  int components() const { return info_.output_components; }
  /// Adobe's programs store CMYK inverted and say so with a marker of their own.
  bool inverted_cmyk() const { return info_.saw_Adobe_marker != FALSE; }
  /// Data is missing at the end: the decoder had to invent some, or whole scans may be absent.
  bool cut_short() { return reached_end_ && (starved_ || jpeg_has_multiple_scans(&info_) != FALSE); }
  bool damaged() const { return warning_[0] != '\0'; }
  const char* warning() const { return warning_; }

 private:
  static JpegReader& self(j_common_ptr info) { return *static_cast<JpegReader*>(info->client_data); }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(jump_) == 0) return step(*this);
    fail<DataError>("is a damaged JPEG ({})", message_);
  }
  [[noreturn]] static void on_error(j_common_ptr info) {
    JpegReader& r = self(info);
    r.errors_.format_message(info, r.message_);
    longjmp(r.jump_, 1);
  }
  static void on_message(j_common_ptr info, int level) {
    JpegReader& r = self(info);
    if (level >= 0) return;  // only a trace
    if (r.errors_.msg_code == JWRN_HIT_MARKER && r.reached_end_) r.starved_ = true;
    if (r.errors_.msg_code == JWRN_JPEG_EOF || r.damaged()) return;
    r.errors_.format_message(info, r.warning_);
  }
  static void on_progress(j_common_ptr info) {
    JpegReader& r = self(info);
    if (r.info_.input_scan_number <= kMostScans) return;
    std::snprintf(r.message_, sizeof r.message_, "more than %d scans", kMostScans);
    longjmp(r.jump_, 1);
  }
  /// The file has ended: an end marker is invented, so that what is there can be shown.
  static boolean on_end_of_input(j_decompress_ptr info) {
    static const JOCTET kEnd[] = {0xFF, JPEG_EOI};
    self(reinterpret_cast<j_common_ptr>(info)).reached_end_ = true;
    WARNMS(info, JWRN_JPEG_EOF);
    info->src->next_input_byte = kEnd;
    info->src->bytes_in_buffer = sizeof kEnd;
    return TRUE;
  }
  static void skip(j_decompress_ptr info, long count) {
    if (count <= 0) return;
    jpeg_source_mgr& source = *info->src;
    if (static_cast<std::size_t>(count) > source.bytes_in_buffer) {
      on_end_of_input(info);
      return;
    }
    source.next_input_byte += count;
    source.bytes_in_buffer -= static_cast<std::size_t>(count);
  }
  void choose_output() {
    const bool cmyk = info_.jpeg_color_space == JCS_CMYK || info_.jpeg_color_space == JCS_YCCK;
    const bool has_luma = info_.jpeg_color_space == JCS_GRAYSCALE || info_.jpeg_color_space == JCS_YCbCr;
    info_.out_color_space = cmyk ? JCS_CMYK : grey_ && has_luma ? JCS_GRAYSCALE : JCS_EXT_BGR;
  }

  jpeg_decompress_struct info_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  jmp_buf jump_;
  char message_[JMSG_LENGTH_MAX] = "", warning_[JMSG_LENGTH_MAX] = "";
  std::uint8_t* to_ = nullptr;
  bool grey_ = false, reached_end_ = false, starved_ = false;
};

void cmyk_to_bgr(const std::uint8_t* from, bool inverted, std::uint8_t* to) {
  const int flip = inverted ? 0 : 255;
  const int k = from[3] ^ flip;
  for (int c = 0; c < 3; ++c) to[c] = static_cast<std::uint8_t>(((from[2 - c] ^ flip) * k + 127) / 255);
}

Image cmyk_rows_to_bgr(const std::vector<std::uint8_t>& rows, int height, int width, bool inverted) {
  Image image{height, width, 3, {}};
  image.pixels.resize(rows.size() / 4 * 3);
  for (std::size_t i = 0; i < rows.size() / 4; ++i) cmyk_to_bgr(&rows[4 * i], inverted, &image.pixels[3 * i]);
  return image;
}

Image bgr_to_grey(const Image& bgr) {
  Image grey{bgr.height, bgr.width, 1, {}};
  grey.pixels.resize(bgr.pixels.size() / 3);
  for (std::size_t i = 0; i < grey.pixels.size(); ++i) {
    const std::uint8_t* p = &bgr.pixels[3 * i];
    grey.pixels[i] = static_cast<std::uint8_t>((1868 * p[0] + 9617 * p[1] + 4899 * p[2] + (1 << 13)) >> 14);
  }
  return grey;
}

}  // namespace

Image decode_jpeg(Bytes bytes, const ImageHeader& header, int channels, bool strict) {
  JpegReader reader(bytes);
  reader.start(channels);
  if (reader.height() != header.height || reader.width() != header.width)
    fail<DataError>("is a damaged JPEG: it holds two sizes");
  std::vector<std::uint8_t> rows(reader.row_bytes() * static_cast<std::size_t>(reader.height()));
  reader.read_rows(rows.data());
  if (reader.cut_short()) fail<DataError>("is a JPEG cut short: image data is missing at its end");
  if (strict && reader.damaged()) fail<DataError>("is a damaged JPEG ({})", reader.warning());
  const int stored = reader.components();
  Image image = stored == 4 ? cmyk_rows_to_bgr(rows, reader.height(), reader.width(), reader.inverted_cmyk())
                            : Image{reader.height(), reader.width(), stored, std::move(rows)};
  if (channels == 1 && image.channels == 3) return bgr_to_grey(image);
  return image;
}

}  // namespace boxcar
