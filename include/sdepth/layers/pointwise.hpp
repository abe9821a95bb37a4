// The words that keep the shape: batch normalisation and activations. They become part of a neighbouring
// stage, never a pass of their own.
#pragma once

#include <sdepth/activations/activation.hpp>
#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Batch normalisation over batch, height and width, as PyTorch's BatchNorm2d: eps 1e-5, running statistics
/// with weight 0.1 for the new batch, biased variance to normalise, unbiased to keep.  Source: Ioffe,
/// Szegedy, ICML 2015.
struct BN {
  static constexpr bool sound = true;
  static constexpr double eps = 1e-5;
  static constexpr double momentum = 0.1;
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return in; }
};

template <>
inline constexpr bool is_layer<BN> = true;
/// Every activation is a word, those of other libraries too.
template <Activation A>
inline constexpr bool is_layer<A> = true;

}  // namespace sdepth::inline SDEPTH_ISA
