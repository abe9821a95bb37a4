// LeakyReLU: a ReLU that lets a fraction of negative numbers pass.
#pragma once

#include <ratio>

#include <sdepth/activations/activation.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// x where x > 0, else NegativeSlope · x.
///
///     LeakyReLU<>, LeakyReLU<std::ratio<1, 5>>
///
/// Source: Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013.
/// The default slope is PyTorch's.
///
/// @tparam NegativeSlope  a std::ratio above 0. (A double would not do: nvcc rounds doubles among the
///                        template arguments of a kernel, and then launches one that does not exist.)
template <class NegativeSlope = std::ratio<1, 100>>
struct LeakyReLU : ActivationWord {
  static_assert(
      NegativeSlope::num > 0,
      "LeakyReLU<NegativeSlope>: the slope, a std::ratio, must be above 0; ReLU is the one with slope 0");
  static constexpr double slope =
      static_cast<double>(NegativeSlope::num) / static_cast<double>(NegativeSlope::den);
  static constexpr bool derivative_from_output = true;  // it has the input's sign
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V forward(V x) {
    return math::select(x <= math::constant<V>(0.0), math::constant<V>(slope) * x, x);
  }
  template <class V>
  [[nodiscard]] SDEPTH_INLINE static constexpr V derivative(V y) {
    return math::select(y <= math::constant<V>(0.0), math::constant<V>(slope), math::constant<V>(1.0));
  }
};
template <class NegativeSlope>
inline constexpr bool is_positively_homogeneous<LeakyReLU<NegativeSlope>> = true;

}  // namespace sdepth::inline SDEPTH_ISA
