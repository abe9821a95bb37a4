// The functions with which a formula is written once for every kind of number: double, float, on a GPU, too,
// and the vectors of the CPU kernels.
//
//     template <class V>
//     V softplus(V x) { return math::log1p(math::exp(x)); }
#pragma once

#include <cmath>
#include <concepts>
#include <type_traits>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::math {

/// For constant expressions, in which the standard library's functions may not be called. Exact at 0, and
/// elsewhere to about 1e-12, erf to 2e-8.
namespace series {
[[nodiscard]] constexpr double exp(double x) noexcept {
  int halvings = 0;
  for (; x > 0.5 || x < -0.5; x /= 2) ++halvings;
  double term = 1, sum = 1;
  for (int n = 1; n < 20; ++n) sum += term *= x / n;
  for (; halvings > 0; --halvings) sum *= sum;
  return sum;
}
/// Newton's method on exp(y) = 1 + x.
[[nodiscard]] constexpr double log1p(double x) noexcept {
  double y = x > 1 ? 1 : x;
  for (int n = 0; n < 60; ++n) y += 2 * (1 + x - exp(y)) / (1 + x + exp(y));
  return y;
}
[[nodiscard]] constexpr double erf(double x) noexcept {
  if (x > 4 || x < -4) return x > 0 ? 1 : -1;
  double term = 1.1283791670955126 * x, sum = term;  // 2/√π
  for (int n = 1; n < 100; ++n) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return sum;
}
}  // namespace series

/// The functions of one kind of number. Vectors specialise it; see kernels/cpu/vector.hpp.
template <class V>
struct Functions {
  static_assert(std::floating_point<V>,
                "math: there are functions of float, double and the vectors of the kernels");
  [[nodiscard]] static constexpr V constant(double x) { return static_cast<V>(x); }
  [[nodiscard]] static constexpr V select(bool condition, V a, V b) { return condition ? a : b; }
  /// Rounded once for float, as it is written for double.
  [[nodiscard]] static constexpr V multiply_add(V a, V b, V c) {
    if constexpr (std::is_same_v<V, double>)
      return a * b + c;
    else
      return std::fma(a, b, c);
  }
  [[nodiscard]] static constexpr V sqrt(V x) { return std::sqrt(x); }
  [[nodiscard]] static constexpr V sign(V x) { return x > 0 ? V{1} : x < 0 ? V{-1} : x; }
  [[nodiscard]] static constexpr V exp(V x) {
    return std::is_constant_evaluated() ? V(series::exp(wide(x))) : std::exp(x);
  }
  [[nodiscard]] static constexpr V expm1(V x) {
    return std::is_constant_evaluated() ? V(series::exp(wide(x)) - 1) : std::expm1(x);
  }
  [[nodiscard]] static constexpr V log1p(V x) {
    return std::is_constant_evaluated() ? V(series::log1p(wide(x))) : std::log1p(x);
  }
  [[nodiscard]] static constexpr V tanh(V x) {
    return std::is_constant_evaluated() ? V(1 - 2 / (series::exp(2 * wide(x)) + 1)) : std::tanh(x);
  }
  [[nodiscard]] static constexpr V erf(V x) {
    return std::is_constant_evaluated() ? V(series::erf(wide(x))) : std::erf(x);
  }
  [[nodiscard]] static constexpr V erfc(V x) {
    return std::is_constant_evaluated() ? V(1 - series::erf(wide(x))) : std::erfc(x);
  }

 private:
  [[nodiscard]] static constexpr double wide(V x) { return static_cast<double>(x); }
};

/// x as a V, in all lanes of a vector.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V constant(double x) {
  return Functions<V>::constant(x);
}
/// a where the condition holds, else b, lane by lane. The condition compares numbers of the kind of a and b.
template <class Condition, class V>
[[nodiscard]] SDEPTH_INLINE constexpr V select(const Condition& condition, const V& a, const V& b) {
  return Functions<V>::select(condition, a, b);
}
/// a·b + c: rounded once where V is float or a vector of a processor that can, as it is written where V is
/// double.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V multiply_add(const V& a, const V& b, const V& c) {
  return Functions<V>::multiply_add(a, b, c);
}
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V sqrt(const V& x) {
  return Functions<V>::sqrt(x);
}
/// −1, 0 or 1; of what is not a number that itself.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V sign(const V& x) {
  return Functions<V>::sign(x);
}
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V exp(const V& x) {
  return Functions<V>::exp(x);
}
/// exp(x) − 1
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V expm1(const V& x) {
  return Functions<V>::expm1(x);
}
/// log(1 + x)
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V log1p(const V& x) {
  return Functions<V>::log1p(x);
}
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V tanh(const V& x) {
  return Functions<V>::tanh(x);
}
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V erf(const V& x) {
  return Functions<V>::erf(x);
}
/// 1 − erf(x), without its cancellation for large x.
template <class V>
[[nodiscard]] SDEPTH_INLINE constexpr V erfc(const V& x) {
  return Functions<V>::erfc(x);
}

}  // namespace sdepth::inline SDEPTH_ISA::math
