// Dropout as a word of a network.
#pragma once

#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// In training each number is zero with probability P, independently of the others, or divided by 1 − P; at
/// test nothing happens. As PyTorch's Dropout.
///
///     Residual<BN, ReLU, Conv<16>, BN, ReLU, Dropout<0.3>, Conv<16>>
///
/// Which numbers become zero is a function of seed, step, the dropout's place in the network and the number's
/// place in the batch: not of threads or backend. Source: Srivastava et al., "Dropout: A Simple Way to
/// Prevent Neural Networks from Overfitting", JMLR 2014.
template <double P>
struct Dropout {
  static constexpr WordError error = 0 <= P && P < 1 ? WordError::none : WordError::dropout_probability;
  static constexpr bool sound = error == WordError::none;
  static_assert(CheckedWord<error>::said);

  static constexpr double probability = P;
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return in; }
};

template <double P>
inline constexpr bool is_layer<Dropout<P>> = true;

}  // namespace sdepth::inline SDEPTH_ISA
