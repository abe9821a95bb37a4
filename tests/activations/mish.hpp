// An activation of a user's own, outside the library: its formula is written once, and every backend computes
// it.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace of_a_user {

namespace math = sdepth::math;

/// x · tanh(ln(1 + eˣ)).  Source: Misra, "Mish", BMVC 2020.
struct Mish : sdepth::ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  static constexpr V forward(V x) {
    return x * math::tanh(math::log1p(math::exp(x)));
  }
  template <class V>
  static constexpr V derivative(V x) {
    const V one = math::constant<V>(1.0), t = math::tanh(math::log1p(math::exp(x)));
    return t + x * (one - t * t) / (one + math::exp(-x));
  }
};

}  // namespace of_a_user
