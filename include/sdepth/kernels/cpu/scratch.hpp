// Scratch: one image of a stage's operand with a halo of zeros, so that kernels have no edges. It stays in L1
// and L2.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// A padded image [height, width, channels]; the operand's first pixel lies at (top, left).
struct Scratch {
  Shape image;  // the operand's own extent; its channels are those of memory, padded or not
  int top = 0;
  int left = 0;
  int height = 0;
  int width = 0;

  [[nodiscard]] constexpr int row() const noexcept { return width * image.channels; }
  /// Floats, with a cache line to spare: images of a power of two in size would meet in the same sets of L1.
  [[nodiscard]] constexpr std::size_t size() const noexcept {
    return static_cast<std::size_t>(round_up(height * row(), 16)) + 16;
  }
  /// Index of the operand's pixel (h, w).
  [[nodiscard]] constexpr std::size_t at(int h, int w) const noexcept {
    return static_cast<std::size_t>(((h + top) * width + w + left) * image.channels);
  }
};

/// Zeroes all but the operand's own pixels.
inline void clear_halo(const Scratch& scratch, float* image) noexcept {
  const auto zero = [&](int row, int first, int last) {
    std::fill(image + row * scratch.row() + first * scratch.image.channels,
              image + row * scratch.row() + last * scratch.image.channels, 0.0F);
  };
  for (int h = 0; h < scratch.height; ++h) {
    if (h < scratch.top || h >= scratch.top + scratch.image.height) {
      zero(h, 0, scratch.width);
    } else {
      zero(h, 0, scratch.left);
      zero(h, scratch.left + scratch.image.width, scratch.width);
    }
  }
}

/// How many rows of so many floats a kernel works on at a time: about 8 KiB, so that they are in a 32 KiB L1
/// with the rows they are made from.
[[nodiscard]] constexpr int rows_at_a_time(int height, int row_floats, int multiple) noexcept {
  return std::min(height, round_up(std::max(2048 / row_floats, 1), multiple));
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
