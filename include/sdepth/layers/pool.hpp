// Pooling as words of a network.
#pragma once

#include <sdepth/layers/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What AvgPool and MaxPool share: windows of Window × Window, Stride apart, out = floor((in + 2·Padding − Window)/Stride) + 1.
template <int Window, int Stride, int Padding>
struct Pooling {
  static_assert(Window > 0 && Stride > 0, "a pooling layer's window and stride must be positive");
  static_assert(0 <= Padding && 2 * Padding <= Window, "a pooling layer's padding must be at least 0 and at most half its window");
  static constexpr int window = Window, stride = Stride, padding = Padding;

  [[nodiscard]] static constexpr ShapeError check(Shape in) noexcept {
    const bool fits = in.height + 2 * Padding >= Window && in.width + 2 * Padding >= Window;
    return fits ? ShapeError::none : ShapeError::window_larger_than_input;
  }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept {
    return {in.channels, (in.height + 2 * Padding - Window) / Stride + 1, (in.width + 2 * Padding - Window) / Stride + 1};
  }
};

/// Mean over windows; padding counts as zeros, as PyTorch's AvgPool2d does by default.
template <int Window, int Stride = Window, int Padding = 0>
struct AvgPool : Pooling<Window, Stride, Padding> {};

/// Maximum over windows; padding never wins. The gradient goes to the first maximum in row-major order, as in PyTorch.
template <int Window, int Stride = Window, int Padding = 0>
struct MaxPool : Pooling<Window, Stride, Padding> {};

/// Mean over all pixels: [C, H, W] → [C, 1, 1].
struct GlobalAvgPool {
  [[nodiscard]] static constexpr ShapeError check(Shape) noexcept { return ShapeError::none; }
  [[nodiscard]] static constexpr Shape output(Shape in) noexcept { return {in.channels, 1, 1}; }
};

}  // namespace sdepth::inline SDEPTH_ISA
