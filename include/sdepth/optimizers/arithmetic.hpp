// The few operations beyond + − · / that optimizers are written in, the same words for float, double and vectors, on every backend.
#pragma once

#include <cmath>
#include <type_traits>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// a·b + c: rounded once where V is float or a vector of a processor that can, as it is written where V is double.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V multiply_add(const V& a, const V& b, const V& c) {
  if constexpr (std::is_same_v<V, double>) {
    return a * b + c;
  } else {
    using std::fma;  // a vector's own is found by its namespace
    return fma(a, b, c);
  }
}

template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V square_root(const V& v) {
  using std::sqrt;
  return sqrt(v);
}

/// −1, 0 or 1; of what is not a number that itself.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V sign_of(const V& v) {
  if constexpr (std::is_floating_point_v<V>)
    return v > 0 ? V{1} : v < 0 ? V{-1} : v;
  else
    return sign(v);
}

}  // namespace sdepth::inline SDEPTH_ISA
