// A number that stands for any: formulas are compiled with it, too, so that what only some kinds of number
// can do is refused for all of them, on every machine.
//
// Without it a formula with an `if` would pass in the reference, and with AVX-512, whose comparisons some
// compilers take for a bool, even run: on one side for all numbers of a vector.
#pragma once

#include <concepts>
#include <type_traits>

#include <sdepth/core/math.hpp>

namespace sdepth::inline SDEPTH_ISA::math {

/// What comparing gives: for `select` alone.
struct FormulaCondition {
  template <std::same_as<bool> Condition>
  constexpr operator Condition() const {
    static_assert(
        sizeof(Condition) == 0,
        "a formula is computed for many numbers at once: write math::select(condition, a, b) where there would be an if or a ? :");
    return {};
  }
  friend constexpr FormulaCondition operator&(FormulaCondition, FormulaCondition) { return {}; }
  friend constexpr FormulaCondition operator|(FormulaCondition, FormulaCondition) { return {}; }
  friend constexpr FormulaCondition operator!(FormulaCondition) { return {}; }
};

struct FormulaNumber {
  constexpr FormulaNumber(double = 0) {}
  /// As for std::exp, which takes a double: a formula calls math::exp, which is there for every kind of
  /// number.
  template <std::same_as<double> Number>
  constexpr operator Number() const {
    static_assert(
        sizeof(Number) == 0,
        "a formula's number is no double, but any of many kinds: call math::exp, not std::exp, and so on; see core/math.hpp");
    return 0;
  }
  friend constexpr FormulaNumber operator-(FormulaNumber) { return {}; }
  constexpr FormulaNumber& operator+=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator-=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator*=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator/=(FormulaNumber) { return *this; }
};

/// Two of them, or one and a constant.
template <class A, class B>
concept OfFormula =
    (std::same_as<A, FormulaNumber> && (std::same_as<B, FormulaNumber> || std::is_arithmetic_v<B>)) ||
    (std::same_as<B, FormulaNumber> && std::is_arithmetic_v<A>);
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaNumber operator+(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaNumber operator-(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaNumber operator*(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaNumber operator/(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator<(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator<=(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator>(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator>=(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator==(A, B) {
  return {};
}
template <class A, class B>
  requires OfFormula<A, B>
constexpr FormulaCondition operator!=(A, B) {
  return {};
}

template <>
struct Functions<FormulaNumber> {
  using V = FormulaNumber;
  static constexpr V constant(double) { return {}; }
  static constexpr V select(FormulaCondition, V, V) { return {}; }
  static constexpr V multiply_add(V, V, V) { return {}; }
  static constexpr V sqrt(V) { return {}; }
  static constexpr V sign(V) { return {}; }
  static constexpr V exp(V) { return {}; }
  static constexpr V expm1(V) { return {}; }
  static constexpr V log1p(V) { return {}; }
  static constexpr V tanh(V) { return {}; }
  static constexpr V erf(V) { return {}; }
  static constexpr V erfc(V) { return {}; }
};

}  // namespace sdepth::inline SDEPTH_ISA::math
