// The paper's augmentation of one training picture: shift and flip, drawn as a pure function of (seed, epoch,
// record). Source: Huang et al., ECCV 2016, section 4, and the authors' cifar-dataset.lua: the picture, its
// mean already subtracted, is copied into zeros at an offset of −4 … 4 pixels, then mirrored with probability
// 1/2. So what comes in at the edge is the mean picture.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/philox.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// The largest shift in pixels, in x and in y.
inline constexpr int max_shift = 4;

/// What happens to one picture in one epoch.
struct Augmentation {
  int down = 0;       ///< pixels, −4 … 4
  int right = 0;      ///< pixels, −4 … 4
  bool flip = false;  ///< left and right exchanged, after the shift
};

/// Shifts of −4 … 4 are equally likely up to 9 / 2^32, and independent of each other and of the flip.
[[nodiscard]] constexpr Augmentation draw_augmentation(std::uint64_t seed, int epoch, int record) noexcept {
  const auto words = random_words(seed, Purpose::augment, static_cast<std::uint64_t>(epoch),
                                  static_cast<std::uint32_t>(record));
  const auto shift = [](std::uint32_t word) {
    return static_cast<int>(std::uint64_t{word} * (2 * max_shift + 1) >> 32) - max_shift;
  };
  return {shift(words[0]), shift(words[1]), (words[2] >> 31) != 0};
}

/// Writes a normalised picture, shifted and flipped; what came from outside is zero.
/// @param from  [H, W, C], mean subtracted.   @param to  [H, W, C], does not overlap `from`.
inline void augment(const float* from, Shape shape, Augmentation change, float* to) noexcept {
  const auto channels = static_cast<std::ptrdiff_t>(shape.channels);
  const std::ptrdiff_t row = shape.width * channels;
  // A shift by the whole picture leaves nothing of it, and neither does one by more.
  const int to_right = std::clamp(change.right, -shape.width, shape.width),
            downwards = std::clamp(change.down, -shape.height, shape.height);
  // Columns [first, last) of the result come from the picture; the rest of a row, and rows from outside, are
  // zero.
  const std::ptrdiff_t first = std::max(to_right, 0) * channels;
  const std::ptrdiff_t last = std::min(shape.width + to_right, shape.width) * channels;
  for (int y = 0; y < shape.height; ++y, to += row) {
    const int source = y - downwards;
    if (source < 0 || source >= shape.height || first >= last) {
      std::fill(to, to + row, 0.0F);
      continue;
    }
    std::fill(to, to + first, 0.0F);
    std::copy(from + source * row + first - to_right * channels,
              from + source * row + last - to_right * channels, to + first);
    std::fill(to + last, to + row, 0.0F);
    if (!change.flip) continue;
    for (float *left = to, *right = to + row - channels; left < right; left += channels, right -= channels)
      std::swap_ranges(left, left + channels, right);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA
