// Philox4x32-10: random numbers as a pure function of (seed, counters), so that gates, shuffles and
// augmentation need no state, are the same on every thread and backend, and resume from two integers.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The constants of Philox 4x32-10, for those who compute many at once.
namespace philox {
inline constexpr int rounds = 10;
inline constexpr std::uint32_t first_multiplier = 0xD2511F53, second_multiplier = 0xCD9E8D57;
inline constexpr std::uint32_t first_step = 0x9E3779B9;   // of the key: golden ratio
inline constexpr std::uint32_t second_step = 0xBB67AE85;  // sqrt(3) − 1
}  // namespace philox

/// Ten rounds of Philox 4x32. Source: Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                                                std::array<std::uint32_t, 2> key) noexcept {
  for (int round = 0; round < philox::rounds; ++round) {
    const std::uint64_t a = std::uint64_t{philox::first_multiplier} * counter[0];
    const std::uint64_t b = std::uint64_t{philox::second_multiplier} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key[0] += philox::first_step;
    key[1] += philox::second_step;
  }
  return counter;
}

/// What a random number is for. Each purpose has its own streams: drawing more of one never changes another.
enum class Purpose : std::uint32_t {
  gate,
  shuffle,
  augment,
  initialise,
  synthetic,
  image_gate,
  dropout,
  split,
  rounding
};

/// Four independent 32-bit words for (seed, purpose, major, minor): step and block of a gate, epoch and
/// record of a shift, ….
[[nodiscard]] constexpr std::array<std::uint32_t, 4> random_words(std::uint64_t seed, Purpose purpose,
                                                                  std::uint64_t major,
                                                                  std::uint32_t minor) noexcept {
  return philox4x32({static_cast<std::uint32_t>(major), static_cast<std::uint32_t>(major >> 32), minor,
                     static_cast<std::uint32_t>(purpose)},
                    {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

/// The same for (seed, purpose, step, place, group): what the numbers of a tensor draw from, of which a step
/// has several and a group of four words serves several neighbours.
[[nodiscard]] constexpr std::array<std::uint32_t, 4> tensor_words(std::uint64_t seed, Purpose purpose,
                                                                  std::uint32_t step, std::uint32_t place,
                                                                  std::uint32_t group) noexcept {
  return philox4x32({group, step, place, static_cast<std::uint32_t>(purpose)},
                    {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)});
}

/// A number in [0, 1) with 32 random bits.
[[nodiscard]] constexpr double uniform(std::uint32_t word) noexcept { return word * 0x1p-32; }

/// A standard normal number from two words (Box–Muller); the first word is moved into (0, 1] for the
/// logarithm.
[[nodiscard]] inline double normal(std::uint32_t a, std::uint32_t b) noexcept {
  return std::sqrt(-2.0 * std::log(1.0 - uniform(a))) * std::cos(2.0 * std::numbers::pi * uniform(b));
}

}  // namespace sdepth::inline SDEPTH_ISA
