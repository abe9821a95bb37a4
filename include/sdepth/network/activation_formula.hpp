// An activation as data, for programs that know nothing of its type: its name, and its formula as the
// operations that it consists of.
//
// The formula is what A::forward does to a number that writes down what is done to it, so an activation of
// one's own leaves for other programs, too.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <sdepth/activations/activation.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/core/math.hpp>
#include <sdepth/core/spelling.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// One operation of a formula, applied to the results of others; shared where a result is used more than
/// once.
struct FormulaStep {
  enum class Kind {
    input,     // x
    constant,  // `number`
    negate,
    add,
    subtract,
    multiply,
    divide,
    less,
    less_or_equal,
    equal,  // conditions
    logical_and,
    logical_or,
    logical_not,  // of conditions
    select,       // the condition, then what holds where it is true, then what holds elsewhere
    sqrt,
    sign,
    exp,
    log,
    tanh,
    erf
  };
  Kind kind = Kind::input;
  double number = 0;
  std::array<std::shared_ptr<const FormulaStep>, 3> operands{};
};
using Formula = std::shared_ptr<const FormulaStep>;

namespace math {

/// A number, or a condition, that remembers how it came about.
struct TracedNumber {
  Formula formula;
  TracedNumber(Formula from) : formula(std::move(from)) {}
  template <class Number>
    requires std::is_arithmetic_v<Number>
  TracedNumber(Number number)
      : formula(std::make_shared<const FormulaStep>(
            FormulaStep{FormulaStep::Kind::constant, static_cast<double>(number)})) {}

  template <std::same_as<TracedNumber>... Operands>
  [[nodiscard]] static TracedNumber of(FormulaStep::Kind kind, const Operands&... operands) {
    return {std::make_shared<const FormulaStep>(FormulaStep{kind, 0, {operands.formula...}})};
  }
  using K = FormulaStep::Kind;
  friend TracedNumber operator-(const TracedNumber& a) { return of(K::negate, a); }
  friend TracedNumber operator+(const TracedNumber& a, const TracedNumber& b) { return of(K::add, a, b); }
  friend TracedNumber operator-(const TracedNumber& a, const TracedNumber& b) {
    return of(K::subtract, a, b);
  }
  friend TracedNumber operator*(const TracedNumber& a, const TracedNumber& b) {
    return of(K::multiply, a, b);
  }
  friend TracedNumber operator/(const TracedNumber& a, const TracedNumber& b) { return of(K::divide, a, b); }
  TracedNumber& operator+=(const TracedNumber& b) { return *this = *this + b; }
  TracedNumber& operator-=(const TracedNumber& b) { return *this = *this - b; }
  TracedNumber& operator*=(const TracedNumber& b) { return *this = *this * b; }
  TracedNumber& operator/=(const TracedNumber& b) { return *this = *this / b; }
  friend TracedNumber operator<(const TracedNumber& a, const TracedNumber& b) { return of(K::less, a, b); }
  friend TracedNumber operator<=(const TracedNumber& a, const TracedNumber& b) {
    return of(K::less_or_equal, a, b);
  }
  friend TracedNumber operator>(const TracedNumber& a, const TracedNumber& b) { return of(K::less, b, a); }
  friend TracedNumber operator>=(const TracedNumber& a, const TracedNumber& b) {
    return of(K::less_or_equal, b, a);
  }
  friend TracedNumber operator==(const TracedNumber& a, const TracedNumber& b) { return of(K::equal, a, b); }
  friend TracedNumber operator!=(const TracedNumber& a, const TracedNumber& b) {
    return of(K::logical_not, of(K::equal, a, b));
  }
  friend TracedNumber operator&(const TracedNumber& a, const TracedNumber& b) {
    return of(K::logical_and, a, b);
  }
  friend TracedNumber operator|(const TracedNumber& a, const TracedNumber& b) {
    return of(K::logical_or, a, b);
  }
  friend TracedNumber operator!(const TracedNumber& a) { return of(K::logical_not, a); }
};

template <>
struct Functions<TracedNumber> {
  using V = TracedNumber;
  using K = FormulaStep::Kind;
  static V constant(double x) { return x; }
  static V select(const V& condition, const V& a, const V& b) { return V::of(K::select, condition, a, b); }
  static V multiply_add(const V& a, const V& b, const V& c) { return a * b + c; }
  static V sqrt(const V& x) { return V::of(K::sqrt, x); }
  static V sign(const V& x) { return V::of(K::sign, x); }
  static V exp(const V& x) { return V::of(K::exp, x); }
  static V expm1(const V& x) { return exp(x) - V(1); }
  /// log(1 + x). Of exp(y) it is max(y, 0) + log(1 + exp(−|y|)), which does not overflow.
  static V log1p(const V& x) {
    if (x.formula->kind != K::exp) return V::of(K::log, V(1) + x);
    const V y(x.formula->operands[0]), positive = V(0) < y, size = select(positive, y, -y);
    return select(positive, y, V(0)) + V::of(K::log, V(1) + exp(-size));
  }
  static V tanh(const V& x) { return V::of(K::tanh, x); }
  static V erf(const V& x) { return V::of(K::erf, x); }
  static V erfc(const V& x) { return V(1) - erf(x); }
};

}  // namespace math

/// How C++ spells a type where the names of sdepth are known: "ReLU", "of_a_user::Mish".
template <class Type>
[[nodiscard]] std::string spelling_of() {
  std::string text(compilers_spelling<Type>());
  std::string_view inside = compilers_spelling<ReLU>();
  inside.remove_suffix(std::string_view("ReLU").size());
  if (inside.empty()) return text;
  for (std::size_t at = text.find(inside); at != std::string::npos; at = text.find(inside, at))
    text.erase(at, inside.size());
  return text;
}

template <class A>
inline constexpr bool is_leaky_relu = false;
template <class Slope>
inline constexpr bool is_leaky_relu<LeakyReLU<Slope>> = true;

/// An activation without its type.
struct ActivationDescription {
  enum class Kind { relu, leaky_relu, silu, hardswish, formula };
  Kind kind = Kind::formula;  // what other programs have a word for
  std::string spelling;       // in C++, where the names of sdepth are known
  double negative_slope = 0;  // of leaky_relu
  Formula formula;            // of any
  bool scales = false;        // is_positively_homogeneous
};

template <class A>
[[nodiscard]] ActivationDescription describe_activation() {
  using Kind = ActivationDescription::Kind;
  ActivationDescription description{
      std::is_same_v<A, ReLU>        ? Kind::relu
      : is_leaky_relu<A>             ? Kind::leaky_relu
      : std::is_same_v<A, SiLU>      ? Kind::silu
      : std::is_same_v<A, Hardswish> ? Kind::hardswish
                                     : Kind::formula,
      spelling_of<A>(), 0, A::forward(math::TracedNumber(std::make_shared<const FormulaStep>())).formula,
      is_positively_homogeneous<A>};
  if constexpr (is_leaky_relu<A>) description.negative_slope = A::slope;
  return description;
}

}  // namespace sdepth::inline SDEPTH_ISA
