// What a test can choose about the emulated device, and how a kernel's faults are told.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace emulation {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool thread_sanitizer = true;
#else
inline constexpr bool thread_sanitizer = false;
#endif
#else
inline constexpr bool thread_sanitizer = false;
#endif

/// A mistake of a kernel, as one sentence. Ends the block; the launch returns cudaErrorLaunchFailure, whose cudaGetErrorString is the sentence.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// In which order the blocks of a grid come.
enum class Order { shuffled, reversed, ascending };

struct Settings {
  Order order = Order::shuffled;
  /// Dynamic shared memory that a kernel may get if it asks: what every architecture from 7.5 on has. 8.0: 163 KiB, 8.6 and 12.0: 99 KiB, 9.0 and 10.0: 227 KiB.
  std::size_t largest_shared_bytes = std::size_t{64} << 10U;
  /// Of the device. A cudaMalloc that would need more is refused.
  std::size_t memory_bytes = std::size_t{1} << 30U;
  /// Streams do nothing until someone waits: what is read too early, or written too early, gives wrong numbers.
  bool deferred = false;
  /// Device memory cannot be touched but by kernels and copies: who does so on the host is ended with a sentence.
  bool protect = true;
  /// Keep emulation::log().
  bool log = false;
  /// Whether graphs can be made.
  bool graphs = true;
  int devices = 1;
};
inline Settings& settings() {
  static Settings now;
  return now;
}

/// What fresh memory is full of: as float a NaN, as int −1.
inline constexpr int poison_byte = 0xFF;

}  // namespace emulation
