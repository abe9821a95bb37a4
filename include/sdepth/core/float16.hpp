// float16: IEEE's binary16, for numbers that lie in memory. All arithmetic is in float.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// 5 bits of exponent and 11 of precision: a relative error of at most 2⁻¹¹/2 from 6.1e-5 to 65504, an
/// absolute one of 2⁻²⁵ below.
///
/// Rounded to the nearest, ties to even; 65520 and more become infinite. Instructions for such numbers (F16C,
/// AVX-512) read and round to the same bits.
struct float16 {
  std::uint16_t bits = 0;

  float16() = default;
  template <std::floating_point Number>
  constexpr explicit float16(Number x) noexcept
      : bits(rounded(std::bit_cast<std::uint32_t>(static_cast<float>(x)))) {}

  constexpr operator float() const noexcept {
    const std::uint32_t magnitude = bits & 0x7fffU, sign = std::uint32_t{bits} << 16 & 0x80000000U;
    std::uint32_t word = (magnitude << 13) + bias;
    if (magnitude >= infinite)
      word = 0x7f800000U | magnitude << 13 | (magnitude > infinite ? quiet : 0U);
    else if (magnitude < smallest_normal)
      word = std::bit_cast<std::uint32_t>(static_cast<float>(magnitude) * unit);
    return std::bit_cast<float>(sign | word);
  }

  static constexpr std::uint32_t smallest_normal = 0x400, infinite = 0x7c00;
  static constexpr std::uint32_t bias = 112U << 23;   // of a float's exponent less its own
  static constexpr std::uint32_t quiet = 0x00400000;  // the bit of a float's NaN that says so
  static constexpr float unit = 1.0F / (1 << 24);     // of numbers below the smallest normal one

 private:
  [[nodiscard]] static constexpr std::uint16_t rounded(std::uint32_t x) noexcept {
    const std::uint32_t magnitude = x & 0x7fffffffU, sign = x >> 16 & 0x8000U;
    std::uint32_t half = 0;
    if (magnitude > 0x7f800000U)
      half = infinite | ((magnitude | quiet) >> 13 & 0x3ffU);  // NaN stays one
    else if (magnitude >= 0x477ff000U)
      half = infinite;
    else if (magnitude < 0x38800000U)  // a sum with 0.5 rounds to multiples of the unit
      half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) -
             std::bit_cast<std::uint32_t>(0.5F);
    else
      half = (magnitude - bias + 0xfffU + (magnitude >> 13 & 1U)) >> 13;
    return static_cast<std::uint16_t>(sign | half);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
