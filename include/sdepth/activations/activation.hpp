// What an activation is: a struct without data whose functions say its value and its derivative.
// It is a word of a network, and a template argument of the kernels, which apply it to numbers on their way
// from memory: no activation is a pass over memory of its own.
//
//     /// x · tanh(ln(1 + eˣ)).  Source: Misra, "Mish", BMVC 2020.
//     struct Mish : sdepth::ActivationWord {
//       static constexpr bool derivative_from_output = false;
//       template <class V>
//       static constexpr V forward(V x) { return x * math::tanh(math::log1p(math::exp(x))); }
//       template <class V>
//       static constexpr V derivative(V x) { … }
//     };
//
// That is all: Mish can then stand wherever ReLU can. V is double in the reference, float on a GPU, a vector
// on the CPU, so formulas use the functions of core/math.hpp, and math::select where there would be an `if`.
// The functions are constexpr, since a GPU runs only such, and the struct stands at namespace scope.
#pragma once

#include <concepts>
#include <type_traits>

#include <sdepth/core/formula_number.hpp>
#include <sdepth/core/math.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What makes a struct a word of a network that keeps the shape. Activations derive from it.
struct ActivationWord {
  static constexpr bool sound = true;
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return in; }
};

/// y = A::forward(x). The derivative is A::derivative(y) where derivative_from_output is true, else
/// A::derivative(x).
///
/// From the output it is cheaper: outputs are at hand on the way back, while x must be computed again. Such
/// an activation may also have `V backward(V gradient, V y)` in place of gradient · derivative(y), as ReLU
/// has.
template <class A>
concept Activation = requires(double x) {
  { A::derivative_from_output } -> std::convertible_to<bool>;
  { A::forward(x) } -> std::same_as<double>;
  { A::derivative(x) } -> std::same_as<double>;
  { A::check(Shape{}) } -> std::same_as<ShapeError>;
  typename std::bool_constant<(A::forward(0.0) + A::derivative(0.0) == 0.0)>;  // they are constexpr
};

/// Where there is none: behind a stage, or after the sum of a pre-activation block.
struct NoActivation {};
template <class A>
inline constexpr bool activates = !std::is_same_v<A, NoActivation>;

/// Whether f(c·x) = c·f(x) for every c ≥ 0, as of ReLU, LeakyReLU, and where there is none: a factor behind it
/// may then stand in front of it. Of others nothing is assumed.
template <class A>
inline constexpr bool is_positively_homogeneous = !activates<A>;

template <class A>
inline constexpr bool zero_at_zero = true;
template <Activation A>
inline constexpr bool zero_at_zero<A> = A::forward(0.0) == 0.0;

/// Compiles an activation's formulas for a number that stands for any.
template <class A>
consteval bool is_formula() {
  if constexpr (Activation<A>) {
    static_cast<void>(A::forward(math::FormulaNumber()));
    static_cast<void>(A::derivative(math::FormulaNumber()));
  }
  return true;
}

/// Says what is wrong with a kernel's activation.
template <class A>
struct CheckedActivation {
  static_assert(
      Activation<A>,
      "an activation is a struct derived from ActivationWord with derivative_from_output and two constexpr "
      "templates, V forward(V) and V derivative(V): see activations/activation.hpp");
  // Channels are padded to whole vectors with zeros, which every kernel may rely on and none writes again.
  static_assert(
      zero_at_zero<A>,
      "an activation must be 0 at 0: otherwise the padding behind a tensor's channels would not stay zero");
  static_assert(is_formula<A>());
  static constexpr bool said = true;
};

/// The gradient of an activation's input from that of its output.
/// @param number  the output where A::derivative_from_output, else the input
template <class A, class V>
[[nodiscard]] SDEPTH_INLINE constexpr V activation_backward(const V& gradient, const V& number) {
  if constexpr (requires { A::backward(gradient, number); })
    return A::backward(gradient, number);
  else
    return gradient * A::derivative(number);
}

}  // namespace sdepth::inline SDEPTH_ISA
