// Dependent launches: a kernel may begin before the launch that it waits for has ended, and read ahead what
// that does not write.
//
// Here it runs twice: before the launch before it, up to where it waits, and behind it. What it has begun to
// copy by then must be the same numbers both times.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "block.hpp"

namespace emulation {

/// What the threads of a launch have begun to copy when they wait for the launch before: a sum of hashes,
/// which knows no order; and how many threads wait.
struct EarlyReads {
  std::uint64_t sum = 0;
  std::size_t threads = 0;
};

class EarlyReading {
 public:
  void begin(bool only_until_they_wait) {
    sum_ = 0;
    threads_ = 0;
    probes_ = only_until_they_wait;
    on_ = true;
  }
  [[nodiscard]] EarlyReads end() {
    on_ = false;
    probes_ = false;
    return {sum_, threads_};
  }
  void add(Thread& thread) {
    if (!on_.load(std::memory_order_relaxed) || thread.waited) return;
    thread.waited = true;
    std::uint64_t sum = 0;
    const auto add_bytes = [&sum](const Copy& copy) {
      std::uint64_t hash = 0xcbf29ce484222325U;  // FNV-1a
      for (std::size_t i = 0; i < copy.bytes - copy.zeros; ++i)
        hash = (hash ^ static_cast<const unsigned char*>(copy.from)[i]) * 0x100000001b3U;
      sum += hash;
    };
    for (const auto& group : thread.groups)
      for (const Copy& copy : group) add_bytes(copy);
    for (const Copy& copy : thread.copies) add_bytes(copy);
    sum_.fetch_add(sum, std::memory_order_relaxed);
    threads_.fetch_add(1, std::memory_order_relaxed);
    if (probes_.load(std::memory_order_relaxed)) throw Abandoned();
  }

 private:
  std::atomic<std::uint64_t> sum_{0};
  std::atomic<std::size_t> threads_{0};
  std::atomic<bool> probes_{false}, on_{false};  // changed while no kernel runs
};
inline EarlyReading& early_reads() {
  static EarlyReading one;
  return one;
}
inline void wait_for_launch_before() { early_reads().add(self()); }

}  // namespace emulation
