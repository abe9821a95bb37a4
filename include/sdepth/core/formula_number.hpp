// A number that stands for any: formulas are compiled with it, too, so that what only some kinds of number can do is refused for all of them, on every machine.
//
// Without it a formula with an `if` would pass in the reference, and with AVX-512, whose comparisons some compilers take for a bool, even run: on one side for all
// numbers of a vector.
#pragma once

#include <concepts>

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
  friend constexpr FormulaNumber operator+(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaNumber operator-(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaNumber operator*(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaNumber operator/(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaNumber operator-(FormulaNumber) { return {}; }
  constexpr FormulaNumber& operator+=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator-=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator*=(FormulaNumber) { return *this; }
  constexpr FormulaNumber& operator/=(FormulaNumber) { return *this; }
  friend constexpr FormulaCondition operator<(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaCondition operator<=(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaCondition operator>(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaCondition operator>=(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaCondition operator==(FormulaNumber, FormulaNumber) { return {}; }
  friend constexpr FormulaCondition operator!=(FormulaNumber, FormulaNumber) { return {}; }
};

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
