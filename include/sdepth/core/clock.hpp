// A clock for waiting, and for saying how long somebody waited.
#pragma once

#include <time.h>

#include <cstdint>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A clock that only goes forward. Not <chrono>'s, which does not survive X11's macros.
[[nodiscard]] inline std::int64_t nanoseconds() noexcept {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

inline void sleep_microseconds(int count) noexcept {
  const timespec time{0, 1000L * count};
  nanosleep(&time, nullptr);
}

}  // namespace sdepth::inline SDEPTH_ISA
