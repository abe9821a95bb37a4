// ReLU, the activation of the residual networks.
#pragma once

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// max(x, 0). A NaN stays, so that divergence shows in the loss, and its gradient passes, as in PyTorch.
struct ReLU : ActivationWord {
  static constexpr bool derivative_from_output = true;
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    const V zero = math::constant<V>(0.0);
    return math::select(x <= zero, zero,
                        x);  // not max, whose rule for NaN differs from processor to processor
  }
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V y) {
    return math::select(y <= math::constant<V>(0.0), math::constant<V>(0.0), math::constant<V>(1.0));
  }
  /// Selects: a product would make a NaN of an infinite gradient that is not wanted.
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V backward(V gradient, V y) {
    const V zero = math::constant<V>(0.0);
    return math::select(y <= zero, zero, gradient);
  }
};
template <>
inline constexpr bool is_positively_homogeneous<ReLU> = true;

}  // namespace sdepth::inline SDEPTH_ISA
