// bfloat16: the upper half of a float32, for numbers that lie in memory. All arithmetic is in float.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// 8 bits of exponent, as a float has, and 8 of precision: a relative error of at most 2⁻⁸/2, none in range.
///
/// Rounded to the nearest, ties to even, unless stochastic() is asked. Numbers below the smallest normal
/// float, 1.2e-38, become a zero of their sign: so does AVX512-BF16's instruction, and everyone shall store
/// the same bits.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  template <std::floating_point Number>
  constexpr explicit bfloat16(Number x) noexcept
      : bits(rounded(std::bit_cast<std::uint32_t>(static_cast<float>(x)))) {}

  /// Rounded stochastically: to the neighbour above in magnitude where the 16 bits that are cut off and
  /// `random`, of 16 bits too, add up to a carry. So numbers stay what they are on average, and those that
  /// bfloat16 holds stay so always. A finite number stays finite: above the largest one it is cut off.
  [[nodiscard]] static constexpr bfloat16 stochastic(float x, std::uint32_t random) noexcept {
    constexpr std::uint32_t exponent = 0x7f800000, kept = 0xffff0000;
    const auto word = std::bit_cast<std::uint32_t>(x);
    if ((word & exponent) == exponent || (word & exponent) == 0) return bfloat16(x);
    const std::uint32_t sum = word + (random & 0xffff);
    return bfloat16(std::bit_cast<float>(((sum & exponent) == exponent ? word : sum) & kept));
  }

  constexpr operator float() const noexcept {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }

 private:
  [[nodiscard]] static constexpr std::uint16_t rounded(std::uint32_t x) noexcept {
    constexpr std::uint32_t exponent = 0x7f800000, sign = 0x80000000, quiet = 0x00400000;
    if ((x & ~sign) > exponent) return static_cast<std::uint16_t>((x | quiet) >> 16);  // NaN stays one
    if ((x & exponent) == 0) return static_cast<std::uint16_t>((x & sign) >> 16);
    return static_cast<std::uint16_t>((x + 0x7fff + ((x >> 16) & 1)) >> 16);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
