// Pooling as words of a network.
#pragma once

#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

[[nodiscard]] constexpr WordError pooling_error(int window, int stride, int padding) noexcept {
  if (window <= 0 || stride <= 0) return WordError::pooling_extents;
  return 0 <= padding && 2 * padding <= window ? WordError::none : WordError::pooling_padding;
}

/// What AvgPool and MaxPool share: windows of Window × Window, Stride apart, out = floor((in + 2·Padding −
/// Window)/Stride) + 1.
template <int Window, int Stride, int Padding>
struct Pooling {
  static constexpr WordError error = pooling_error(Window, Stride, Padding);
  static constexpr bool sound = error == WordError::none;
  static_assert(CheckedWord<error>::said);

  static constexpr int window = Window, stride = Stride, padding = Padding;

  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    const bool fits = in.height + 2 * Padding >= Window && in.width + 2 * Padding >= Window;
    return fits ? ShapeError::none : ShapeError::window_larger_than_input;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept {
    return {in.channels, (in.height + 2 * Padding - Window) / Stride + 1,
            (in.width + 2 * Padding - Window) / Stride + 1};
  }
};

/// Mean over windows; padding counts as zeros, as PyTorch's AvgPool2d does by default.
template <int Window, int Stride = Window, int Padding = 0>
struct AvgPool : Pooling<Window, Stride, Padding> {};

/// Maximum over windows; padding never wins. The gradient goes to the first maximum in row-major order, as in
/// PyTorch.
template <int Window, int Stride = Window, int Padding = 0>
struct MaxPool : Pooling<Window, Stride, Padding> {};

/// Mean over all pixels: [C, H, W] → [C, 1, 1].
struct GlobalAvgPool {
  static constexpr bool sound = true;
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return {in.channels, 1, 1}; }
};

template <int Window, int Stride, int Padding>
inline constexpr bool is_layer<AvgPool<Window, Stride, Padding>> = true;
template <int Window, int Stride, int Padding>
inline constexpr bool is_layer<MaxPool<Window, Stride, Padding>> = true;
template <>
inline constexpr bool is_layer<GlobalAvgPool> = true;

}  // namespace sdepth::inline SDEPTH_ISA
