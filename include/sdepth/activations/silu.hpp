// SiLU, also called Swish: the activation of EfficientNet.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// x · σ(x), σ(x) = 1/(1 + e⁻ˣ).
///
/// Source: Elfwing et al., "Sigmoid-Weighted Linear Units", 2017;
/// Ramachandran et al., "Searching for Activation Functions", 2017.
struct SiLU : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    return x / (math::constant<V>(1.0) + math::exp(-x));
  }
  /// σ(x) · (1 + x · (1 − σ(x)))
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V x) {
    const V one = math::constant<V>(1.0), sigmoid = one / (one + math::exp(-x));
    return sigmoid * (one + x * (one - sigmoid));
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
