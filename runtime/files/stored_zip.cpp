#include "boxcar/runtime/files/stored_zip.h"

#include <unistd.h>
#include <zip.h>

#include <cerrno>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/descriptor.h"
#include "boxcar/runtime/files/quote.h"

namespace boxcar {
namespace {

struct CloseEntry {
  void operator()(zip_file_t* entry) const { zip_fclose(entry); }
};

std::string text_of(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

struct Stat {
  std::uint64_t size = 0, stored_bytes = 0;
  bool is_plain = false;
};

Stat stat_of(zip* archive, std::uint64_t index) {
  constexpr zip_uint64_t kWanted =
      ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  zip_stat_t found;
  if (zip_stat_index(archive, index, 0, &found) != 0 || (found.valid & kWanted) != kWanted) {
    fail<IoError>("its table of contents is damaged");
  }
  return {found.size, found.comp_size,
          found.comp_method == ZIP_CM_STORE && found.encryption_method == ZIP_EM_NONE && found.size == found.comp_size};
}

}  // namespace

void StoredZip::Close::operator()(zip* archive) const { zip_discard(archive); }

StoredZip::StoredZip(const std::filesystem::path& path) {
  const InputFile file = open_input(path);
  file_bytes_ = file.size;
  const int own = ::dup(file.descriptor.number());
  if (own < 0) fail_io("open", path, errno);
  int code = 0;
  archive_.reset(zip_fdopen(own, 0, &code));
  if (!archive_) {
    ::close(own);
    fail<IoError>("it is not a complete zip archive ({}): copy or download it again", text_of(code));
  }
  list_entries();
}

void StoredZip::list_entries() {
  const zip_int64_t count = zip_get_num_entries(archive_.get(), 0);
  std::uint64_t claimed = 0;
  for (zip_uint64_t i = 0; i < static_cast<zip_uint64_t>(count); ++i) {
    const char* name = zip_get_name(archive_.get(), i, ZIP_FL_ENC_RAW);
    if (!name) fail<IoError>("its table of contents is damaged");
    if (!indices_.emplace(name, i).second) fail<IoError>("it has two records named {}", quote(std::string_view(name)));
    names_.emplace_back(name);
    // Entries may share bytes of the file; together they must not pretend to be larger than it.
    const std::uint64_t stored = stat_of(archive_.get(), i).stored_bytes;
    if (stored > file_bytes_ - claimed) fail<IoError>("its records claim more bytes than the file has");
    claimed += stored;
  }
}

std::uint64_t StoredZip::index_of(const std::string& name) const {
  const auto found = indices_.find(name);
  if (found == indices_.end()) fail<IoError>("record {} is missing", quote(name));
  return found->second;
}

std::uint64_t StoredZip::size_of_entry(const std::string& name) const {
  const Stat stat = stat_of(archive_.get(), index_of(name));
  if (!stat.is_plain) fail<IoError>("record {} is compressed or encrypted, which PyTorch never writes", quote(name));
  return stat.size;
}

std::vector<std::byte> StoredZip::read(const std::string& name) const {
  std::vector<std::byte> content(static_cast<std::size_t>(size_of_entry(name)));
  const std::unique_ptr<zip_file_t, CloseEntry> entry(zip_fopen_index(archive_.get(), index_of(name), 0));
  std::size_t at = 0;
  while (entry && at < content.size()) {
    const zip_int64_t got = zip_fread(entry.get(), content.data() + at, content.size() - at);
    if (got <= 0) break;
    at += static_cast<std::size_t>(got);
  }
  // The checksum is compared when the end is met, which takes one more read.
  std::byte beyond;
  const bool is_whole = entry && at == content.size() && zip_fread(entry.get(), &beyond, 1) == 0;
  if (!is_whole) fail<IoError>("record {} is damaged: copy or download the file again", quote(name));
  return content;
}

}  // namespace boxcar
