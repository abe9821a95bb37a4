// The tensor core's product of TF32 numbers.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>

#include "warp.hpp"

namespace emulation {

/// The bits that no product reads, 23 − 10.
inline constexpr std::uint32_t not_tf32 = 0x1FFF;

/// cvt.rna.tf32.f32: 10 bits of mantissa, to nearest, ties away from zero. Infinities and NaNs stay what they
/// are. The layout is the hardware's own business (PTX ISA), so the bits that no product reads are anything
/// here.
[[nodiscard]] inline std::uint32_t to_tf32(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if ((bits & 0x7F800000U) == 0x7F800000U) return bits & 0x007FFFFFU ? bits | 0x00400000U : bits;
  return ((bits + (not_tf32 + 1) / 2) & ~not_tf32) | (bits * 2654435761U >> 19U);
}

/// A tensor core's sum as a float: rounded towards zero, as devices do. Source: Fasi, Higham, Mikaitis,
/// Pranesh, "Numerical behavior of NVIDIA tensor cores", 2021.
[[nodiscard]] inline float towards_zero(double exact) {
  const auto nearest = static_cast<float>(exact);
  return std::abs(static_cast<double>(nearest)) > std::abs(exact) ? std::nextafter(nearest, 0.0F) : nearest;
}

/// sum += a·b, as sdepth::cuda::multiply_add says which thread holds what. Operands that are no TF32 numbers
/// are cut off, as the hardware does. Sums in double, rounded once: on devices the order within a product is
/// not specified.
inline void multiply_add(float (&sum)[4], const std::uint32_t (&a)[4], const std::uint32_t (&b)[2],
                         const Site& site = Site::current()) {
  using Operands = std::array<std::uint32_t, 6>;
  if (this_block->warp_of(this_thread).size != Warp::lanes) fail("multiply_add needs a warp of 32 threads.");
  const Exchange<Operands> all(Operands{a[0], a[1], a[2], a[3], b[0], b[1]}, "multiply_add", site);
  const auto number = [](std::uint32_t bits) {
    return static_cast<double>(std::bit_cast<float>(bits & ~not_tf32));
  };
  const unsigned lane = this_thread % Warp::lanes;
  const unsigned group = lane / 4;
  const unsigned t = lane % 4;
  std::array<double, 4> exact{};
  for (unsigned k = 0; k < 4; ++k) {
    const Operands row = all.of(group * 4 + k);
    const Operands left = all.of(2 * t * 4 + k);
    const Operands right = all.of((2 * t + 1) * 4 + k);
    // Columns k and k + 4 of a; rows k and k + 4 of b.
    exact[0] += number(row[0]) * number(left[4]) + number(row[2]) * number(left[5]);
    exact[1] += number(row[0]) * number(right[4]) + number(row[2]) * number(right[5]);
    exact[2] += number(row[1]) * number(left[4]) + number(row[3]) * number(left[5]);
    exact[3] += number(row[1]) * number(right[4]) + number(row[3]) * number(right[5]);
  }
  for (unsigned i = 0; i < 4; ++i) sum[i] = towards_zero(static_cast<double>(sum[i]) + exact[i]);
}

}  // namespace emulation
