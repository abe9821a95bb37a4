// What a test can choose about the emulated device, and how a kernel's faults are told.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace emulation {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool thread_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool thread_sanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool thread_sanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool address_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool address_sanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool address_sanitizer = false;
#endif

/// A mistake of a kernel, as one sentence. Ends the block; the launch returns cudaErrorLaunchFailure, whose
/// cudaGetErrorString is the sentence.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// In which order the blocks of a grid come.
enum class Order { shuffled, reversed, ascending };

struct Settings {
  Order order = Order::shuffled;
  /// Dynamic shared memory that a kernel may get if it asks: what every architecture from 7.5 on has. 8.0:
  /// 163 KiB, 8.6 and 12.0: 99 KiB, 9.0 and 10.0: 227 KiB.
  std::size_t largest_shared_bytes = std::size_t{64} << 10U;
  /// Of the device. A cudaMalloc that would need more is refused.
  std::size_t memory_bytes = std::size_t{1} << 30U;
  /// Streams do nothing until someone waits: what is read too early, or written too early, gives wrong
  /// numbers.
  bool deferred = false;
  /// Device memory cannot be touched but by kernels and copies: who does so on the host is ended with a
  /// sentence.
  bool protect = true;
  /// Keep emulation::log().
  bool log = false;
  /// Whether graphs can be made.
  bool graphs = true;
  int devices = 1;
  /// As in a program that nvcc compiles with --default-stream per-thread: a stream that is null is the
  /// thread's own.
  bool default_stream_of_thread = false;
  int architecture = 90;  // that kernels say they were compiled for
  /// At the same time, of any kernel, on each of the device's 4.
  int blocks_on_multiprocessor = 4;
  /// As on a device: after a fault of a kernel every call returns it, until the program ends or a test puts
  /// emulation::broken() back.
  bool sticky = false;
  /// Calls of this name are refused with cudaErrorInvalidValue, all but the first `allowed_calls`; empty:
  /// none.
  std::string refused_call;
  std::size_t allowed_calls = 0;
};
inline Settings& settings() {
  static Settings now;
  return now;
}

inline constexpr int multiprocessors = 4;
/// Of a grid whose blocks wait for each other, at most.
[[nodiscard]] inline std::size_t resident_blocks() {
  return static_cast<std::size_t>(multiprocessors * settings().blocks_on_multiprocessor);
}

/// Whether a call of that name is one that a test wants to be refused.
[[nodiscard]] inline bool refuses(const char* call) {
  Settings& now = settings();
  if (now.refused_call != call) return false;
  if (now.allowed_calls == 0) return true;
  --now.allowed_calls;
  return false;
}

/// The device that the calling thread has chosen; threads begin with the first.
inline constinit thread_local int current_device = 0;

/// What fresh memory is full of: as float a NaN, as int −1.
inline constexpr int poison_byte = 0xFF;

}  // namespace emulation
