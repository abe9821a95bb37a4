// The shape of one image's activations: what layers check and compute, and what the network's plans are made
// of.
#pragma once

#include <cstddef>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Channels, height and width of one image's activations; the batch is not part of it.
struct Shape {
  int channels = 0;
  int height = 0;
  int width = 0;

  [[nodiscard]] constexpr std::size_t pixels() const noexcept {
    return static_cast<std::size_t>(height) * static_cast<std::size_t>(width);
  }
  [[nodiscard]] constexpr std::size_t size() const noexcept {
    return static_cast<std::size_t>(channels) * pixels();
  }
  friend constexpr bool operator==(const Shape&, const Shape&) = default;
};

/// Why a layer does not accept an input shape.
enum class ShapeError {
  none,
  kernel_larger_than_input,
  window_larger_than_input,
  shortcut_loses_channels,
  shortcut_extents_do_not_match,
  block_changes_shape_in_repeat,
};

/// n rounded up to a multiple of m.
[[nodiscard]] constexpr int round_up(int n, int m) noexcept { return (n + m - 1) / m * m; }

}  // namespace sdepth::inline SDEPTH_ISA
