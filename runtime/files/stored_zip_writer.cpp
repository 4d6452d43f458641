#include "boxcar/runtime/files/stored_zip_writer.h"

#include <zlib.h>

#include <algorithm>

#include "boxcar/runtime/base/error.h"
#include "boxcar/runtime/files/quote.h"

// The records are those of APPNOTE.TXT 4.3.7 (local header), 4.3.12 (directory entry) and 4.3.16 (end).
namespace boxcar {
namespace {

constexpr std::uint64_t kLargestArchive = 0xffffffffu;
constexpr std::uint32_t kMostEntries = 0xfffeu;
constexpr std::size_t kAlignment = 64;
constexpr std::size_t kLocalHeaderBytes = 30, kExtraHeaderBytes = 4, kDirectoryEntryBytes = 46, kEndBytes = 22;
constexpr std::uint16_t kPaddingId = 0x4246;  // "FB", PyTorch's own padding field
constexpr std::uint16_t kVersion = 20;
constexpr std::uint16_t kFirstDate = (1u << 5) | 1u;  // 1980-01-01

void put16(std::string& out, std::uint32_t value) {
  out += static_cast<char>(value & 0xffu);
  out += static_cast<char>((value >> 8) & 0xffu);
}
void put32(std::string& out, std::uint32_t value) {
  put16(out, value & 0xffffu);
  put16(out, value >> 16);
}

// A padding field that brings the content, which follows it, to a multiple of kAlignment.
std::string padding_field(std::uint64_t header_begin, std::size_t name_bytes) {
  const std::uint64_t unpadded = header_begin + kLocalHeaderBytes + name_bytes + kExtraHeaderBytes;
  const std::size_t padding = (kAlignment - unpadded % kAlignment) % kAlignment;
  std::string field;
  put16(field, kPaddingId);
  put16(field, static_cast<std::uint32_t>(padding));
  field.append(padding, 'Z');
  return field;
}

// The fields that a local header and a directory entry share, from "version needed" to "extra field length".
std::string common_fields(std::uint32_t checksum, std::size_t size, std::size_t name_bytes, std::size_t extra_bytes) {
  std::string out;
  put16(out, kVersion);
  put16(out, 0);  // flags
  put16(out, 0);  // method: stored
  put16(out, 0);  // time
  put16(out, kFirstDate);
  put32(out, checksum);
  put32(out, static_cast<std::uint32_t>(size));  // compressed
  put32(out, static_cast<std::uint32_t>(size));
  put16(out, static_cast<std::uint32_t>(name_bytes));
  put16(out, static_cast<std::uint32_t>(extra_bytes));
  return out;
}

std::uint32_t checksum_of(std::span<const std::byte> content) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const unsigned char*>(content.data()), content.size()));
}

}  // namespace

void StoredZipWriter::check_bounds(std::uint64_t more_bytes) const {
  const std::uint64_t total = file_.size() + directory_.size() + kEndBytes;
  if (more_bytes > kLargestArchive || total + more_bytes > kLargestArchive) {
    fail<IoError>("cannot write {}: it would exceed 4 GiB, the bound of a .pt file written here", quote_path(path_));
  }
  if (entries_ == kMostEntries) {
    fail<IoError>("cannot write {}: it would have more than {} records", quote_path(path_), kMostEntries);
  }
}

void StoredZipWriter::add(std::string_view name, std::span<const std::byte> content) {
  const std::string extra = padding_field(file_.size(), name.size());
  check_bounds(content.size() + kLocalHeaderBytes + kDirectoryEntryBytes + 2 * name.size() + extra.size());
  const auto header_begin = static_cast<std::uint32_t>(file_.size());
  const std::uint32_t checksum = checksum_of(content);
  file_.append("PK\x03\x04");
  file_.append(common_fields(checksum, content.size(), name.size(), extra.size()));
  file_.append(name);
  file_.append(extra);
  file_.append(content);

  directory_ += "PK\x01\x02";
  put16(directory_, kVersion);  // made by
  directory_ += common_fields(checksum, content.size(), name.size(), 0);
  put16(directory_, 0);  // comment length
  put16(directory_, 0);  // disk
  put16(directory_, 0);  // internal attributes
  put32(directory_, 0);  // external attributes
  put32(directory_, header_begin);
  directory_ += name;
  ++entries_;
}

void StoredZipWriter::add(std::string_view name, std::string_view content) {
  add(name, std::as_bytes(std::span(content.data(), content.size())));
}

void StoredZipWriter::commit() {
  const auto directory_begin = static_cast<std::uint32_t>(file_.size());
  std::string end = "PK\x05\x06";
  put16(end, 0);  // this disk
  put16(end, 0);  // the directory's disk
  put16(end, entries_);
  put16(end, entries_);
  put32(end, static_cast<std::uint32_t>(directory_.size()));
  put32(end, directory_begin);
  put16(end, 0);  // comment length
  file_.append(directory_);
  file_.append(end);
  file_.commit();
}

}  // namespace boxcar
