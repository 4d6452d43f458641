// The shared memory of the block that a CPU thread is running.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace boxcar::emulation {

/// Arrays are carved from one arena as the block's threads come to their declarations, filled
/// with poison, with forbidden bytes (AddressSanitizer) before and behind each.
class SharedMemory {
 public:
  SharedMemory();
  ~SharedMemory();

  /// Forgets all arrays and sets the dynamic one aside. `renew`: in memory that no block has had.
  void start_block(std::size_t dynamic_bytes, unsigned char poison, bool renew);
  /// The array of the declaration `key`; carved by the first thread that asks.
  void* array(const void* key, std::size_t bytes, std::size_t alignment);
  void* dynamic() const { return dynamic_; }

  static constexpr std::size_t kMostStaticBytes = 48 << 10;
  static constexpr std::size_t kMostBytes = 227 << 10;  // static and dynamic, as on sm_90

 private:
  struct Array {
    const void* key;
    void* data;
  };
  void renew_arena();
  void* carve(std::size_t bytes, std::size_t alignment);

  std::unique_ptr<std::byte[]> arena_;
  std::size_t used_ = 0, static_bytes_ = 0, dynamic_bytes_ = 0;
  std::vector<Array> arrays_;
  void* dynamic_ = nullptr;
  unsigned char poison_ = 0;
};

}  // namespace boxcar::emulation
