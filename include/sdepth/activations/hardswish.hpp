// Hardswish: SiLU without an exponential function, the activation of MobileNetV3.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// x · g(x); g is 0 for x ≤ −3, 1 for x ≥ 3 and (x + 3)/6 between.
///
/// Source: Howard et al., "Searching for MobileNetV3", ICCV 2019.
struct Hardswish : ActivationWord {
  static constexpr bool derivative_from_output = false;
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    return x * pieces(x, (x + math::constant<V>(3.0)) * math::constant<V>(1.0 / 6.0));
  }
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V x) {
    return pieces(x, x * math::constant<V>(1.0 / 3.0) + math::constant<V>(0.5));
  }

 private:
  /// 0 below −3, 1 above 3; where x is NaN it is the number between.
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V pieces(V x, V between) {
    const V three = math::constant<V>(3.0);
    return math::select(x <= -three, math::constant<V>(0.0),
                        math::select(x >= three, math::constant<V>(1.0), between));
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
