// Comparisons of numbers that are meant exactly, as == compares them. Compilers can be asked to warn of ==
// between floating-point numbers, and programs that ask them include these headers.
#pragma once

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Whether a == b: 0 and −0 are equal, and not-a-number is equal to nothing. Floats become doubles unchanged.
[[nodiscard]] constexpr bool exactly(double a, double b) noexcept { return a <= b && a >= b; }

/// std::isnan, for constant expressions and on a GPU, too.
[[nodiscard]] constexpr bool is_not_a_number(double x) noexcept { return !exactly(x, x); }

}  // namespace sdepth::inline SDEPTH_ISA
