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
/// Rounded to the nearest, ties to even. Numbers below the smallest normal float, 1.2e-38, become a zero of
/// their sign: so does AVX512-BF16's instruction, and everyone shall store the same bits.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  template <std::floating_point Number>
  constexpr explicit bfloat16(Number x) noexcept
      : bits(rounded(std::bit_cast<std::uint32_t>(static_cast<float>(x)))) {}

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
