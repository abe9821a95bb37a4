// Hardswish: SiLU without an exponential function, the activation of MobileNetV3.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// 0 for x ≤ −3, x for x ≥ 3, x · (x + 3)/6 between.
///
/// Source: Howard et al., "Searching for MobileNetV3", ICCV 2019.
struct Hardswish : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    const V three = math::constant<V>(3.0);
    return pieces(x, math::constant<V>(0.0), x * (x + three) * math::constant<V>(1.0 / 6.0), x);
  }
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V x) {
    return pieces(x, math::constant<V>(0.0), x * math::constant<V>(1.0 / 3.0) + math::constant<V>(0.5), math::constant<V>(1.0));
  }

 private:
  /// A NaN is in the middle.
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V pieces(V x, V below, V between, V above) {
    return math::select(x <= math::constant<V>(-3.0), below, math::select(x >= math::constant<V>(3.0), above, between));
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
