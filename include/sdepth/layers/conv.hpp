// The convolution as a word of a network.
#pragma once

#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Whether a Conv or Linear adds a learned number per output channel. A batch normalisation right after it
/// makes it useless.
enum class Bias { none, learned };

[[nodiscard]] constexpr WordError conv_error(int channels, int kernel, int stride, int padding) noexcept {
  if (channels <= 0) return WordError::conv_channels;
  if (kernel <= 0) return WordError::conv_kernel;
  if (stride <= 0) return WordError::conv_stride;
  return 0 <= padding && padding < kernel ? WordError::none : WordError::conv_padding;
}

/// 2-D convolution (cross-correlation, as PyTorch's Conv2d): [C, H, W] → [Channels, (H + 2·Padding −
/// Kernel)/Stride + 1, …], zero padding. Where the stride does not divide the extents, the division rounds
/// down, as PyTorch's.
template <int Channels, int Kernel = 3, int Stride = 1, Bias HasBias = Bias::none, int Padding = Kernel / 2>
struct Conv {
  static constexpr WordError error = conv_error(Channels, Kernel, Stride, Padding);
  static constexpr bool sound = error == WordError::none;
  static_assert(CheckedWord<error>::said);

  static constexpr int channels = Channels, kernel = Kernel, stride = Stride, padding = Padding;
  static constexpr bool bias = HasBias == Bias::learned;

  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    if (in.height + 2 * Padding < Kernel || in.width + 2 * Padding < Kernel)
      return ShapeError::kernel_larger_than_input;
    return ShapeError::none;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept {
    return {Channels, (in.height + 2 * Padding - Kernel) / Stride + 1,
            (in.width + 2 * Padding - Kernel) / Stride + 1};
  }
};

template <class Word>
inline constexpr bool is_convolution = false;
template <int Channels, int Kernel, int Stride, Bias HasBias, int Padding>
inline constexpr bool is_convolution<Conv<Channels, Kernel, Stride, HasBias, Padding>> = true;
template <int Channels, int Kernel, int Stride, Bias HasBias, int Padding>
inline constexpr bool is_layer<Conv<Channels, Kernel, Stride, HasBias, Padding>> = true;

}  // namespace sdepth::inline SDEPTH_ISA
