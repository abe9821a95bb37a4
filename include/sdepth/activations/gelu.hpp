// GELU, the activation of transformers and of ConvNeXt.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// x · Φ(x) with the standard normal distribution's Φ: PyTorch's GELU(approximate='none').
///
/// Source: Hendrycks, Gimpel, "Gaussian Error Linear Units", 2016.
struct GELU : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    return x * distribution(x);
  }
  /// Φ(x) + x · φ(x)
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V x) {
    // 1/√(2π)
    const V density = math::constant<V>(0.3989422804014327) * math::exp(math::constant<V>(-0.5) * x * x);
    return distribution(x) + x * density;
  }

 private:
  /// By erfc: 1 + erf would lose all digits of small values (relative error at −4: 4e-6 instead of 1e-3).
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V distribution(V x) {
    return math::constant<V>(0.5) * math::erfc(math::constant<V>(-0.7071067811865476) * x);  // 1/√2
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
