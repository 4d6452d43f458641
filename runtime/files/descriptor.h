// An open file of the operating system, closed when it goes out of scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <utility>

namespace boxcar {

/// Move-only owner of a file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int number) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  int number() const { return number_; }
  explicit operator bool() const { return number_ >= 0; }
  /// Closes now and gives errno, or 0 for success (some file systems report a full disk only here).
  [[nodiscard]] int close();

 private:
  int number_ = -1;
};

/// A regular file open for reading, and its size at that moment.
struct InputFile {
  Descriptor descriptor;
  std::uint64_t size = 0;
};

/// Opens for reading. Throws IoError naming the path where it is missing, unreadable or not a
/// regular file (a folder, a pipe, a device: nothing here ever waits for a writer).
InputFile open_input(const std::filesystem::path& path);

/// Reads exactly `count` bytes at `offset`. Throws IoError naming the path, also where the file is shorter.
void read_exactly(const InputFile& file, const std::filesystem::path& path, std::uint64_t offset, std::byte* into,
                  std::size_t count);

/// Throws IoError: "cannot <action> '<path>': <reason of errno>".
[[noreturn]] void fail_io(const char* action, const std::filesystem::path& path, int error_number);

}  // namespace boxcar
