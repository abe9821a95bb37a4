// Shuffles and votes of a warp.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <type_traits>

#include "block.hpp"

namespace emulation {

/// Hands a value to the other threads of the warp: of(lane) is what that lane gave. Valid until this thread's
/// next but one exchange.
template <class T>
class Exchange {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(Warp::Slot),
                "a lane hands over at most 24 bytes");

 public:
  Exchange(const T& value, const char* call, const Site& site)
      : warp_(this_block->warp_of(this_thread)), slots_(warp_.slots[self().warp_meetings % 2]) {
    std::memcpy(&slots_[this_thread % Warp::lanes], &value, sizeof(T));
    this_block->meet_warp(this_thread, call, site);
  }
  [[nodiscard]] unsigned size() const { return warp_.size; }
  [[nodiscard]] T of(unsigned lane) const {
    if (lane >= warp_.size)
      fail("reads from lane " + std::to_string(lane) + " of a warp of " + std::to_string(warp_.size) +
           " threads.");
    T value;
    std::memcpy(&value, &slots_[lane], sizeof(T));
    return value;
  }

 private:
  Warp& warp_;
  std::array<Warp::Slot, Warp::lanes>& slots_;
};

/// As the shuffles do: from lane `from` of my part of `width` lanes, or my own value where that is outside of
/// it.
template <class T>
[[nodiscard]] T shuffle(unsigned mask, T value, int width, const char* call, const Site& site,
                        int (*from)(int lane, int by, int width), int by) {
  static_assert(std::is_arithmetic_v<T> && (sizeof(T) == 4 || sizeof(T) == 8),
                "shuffles carry numbers of 4 or 8 bytes");
  if (mask != 0xFFFFFFFFU) fail(std::string(call) + " of a part of a warp is not emulated.");
  if (width <= 0 || width > 32 || !std::has_single_bit(static_cast<unsigned>(width)))
    fail(std::string(call) + " needs a width of 1, 2, 4, 8, 16 or 32.");
  const int lane = static_cast<int>(this_thread % Warp::lanes);
  const Exchange<T> all(value, call, site);
  const int source = from(lane % width, by, width);
  return all.of(static_cast<unsigned>(source < 0 || source >= width ? lane : lane / width * width + source));
}

}  // namespace emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32,
              const emulation::Site& site = emulation::Site::current()) {
  return emulation::shuffle(
      mask, value, width, "__shfl_sync", site, [](int, int from, int w) { return from & (w - 1); }, lane);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  const emulation::Site& site = emulation::Site::current()) {
  return emulation::shuffle(
      mask, value, width, "__shfl_xor_sync", site, [](int own, int by, int) { return own ^ by; }, bits);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32,
                   const emulation::Site& site = emulation::Site::current()) {
  return emulation::shuffle(
      mask, value, width, "__shfl_down_sync", site, [](int own, int n, int) { return own + n; },
      static_cast<int>(by));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned by, int width = 32,
                 const emulation::Site& site = emulation::Site::current()) {
  return emulation::shuffle(
      mask, value, width, "__shfl_up_sync", site, [](int own, int n, int) { return own - n; },
      static_cast<int>(by));
}

/// Bit l: lane l says yes.
inline unsigned __ballot_sync(unsigned mask, int yes,
                              const emulation::Site& site = emulation::Site::current()) {
  if (mask != 0xFFFFFFFFU) emulation::fail("__ballot_sync of a part of a warp is not emulated.");
  const emulation::Exchange<int> all(yes, "a vote of the warp", site);
  unsigned votes = 0;
  for (unsigned lane = 0; lane < all.size(); ++lane) votes |= all.of(lane) ? 1U << lane : 0U;
  return votes;
}
inline int __any_sync(unsigned mask, int yes, const emulation::Site& site = emulation::Site::current()) {
  return __ballot_sync(mask, yes, site) != 0;
}
inline int __all_sync(unsigned mask, int yes, const emulation::Site& site = emulation::Site::current()) {
  return __ballot_sync(mask, !yes, site) == 0;
}
