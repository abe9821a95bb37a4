// The fully connected layer as a word of a network.
#pragma once

#include <sdepth/layers/conv.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Fully connected over all numbers of an image, flattened as PyTorch's Flatten does (channel, row, column):
/// [C, H, W] → [Features, 1, 1].
template <int Features, Bias HasBias = Bias::learned>
struct Linear {
  static constexpr WordError error = Features > 0 ? WordError::none : WordError::linear_features;
  static constexpr bool sound = error == WordError::none;
  static_assert(CheckedWord<error>::said);

  static constexpr int features = Features;
  static constexpr bool bias = HasBias == Bias::learned;
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape) noexcept { return {Features, 1, 1}; }
};

template <int Features, Bias HasBias>
inline constexpr bool is_layer<Linear<Features, HasBias>> = true;

}  // namespace sdepth::inline SDEPTH_ISA
