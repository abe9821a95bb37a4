// Which numbers a dropout sets to zero: a pure function of seed, step, stage and place, so that the way back
// and every backend see the same, with no mask in memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/philox.hpp>
#include <sdepth/core/shape.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// One dropout in one training step.
struct DropoutMask {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t stage = 0;      // tells the network's dropouts apart
  std::uint32_t threshold = 0;  // a number whose random word is below it becomes zero: P·2³²
  float scale = 1;              // of all others: 1/(1 − P)

  /// @param probability  P, in [0, 1)
  [[nodiscard]] static constexpr DropoutMask of(double probability, std::uint64_t seed, std::uint64_t step,
                                                std::uint32_t stage) noexcept {
    return {seed, static_cast<std::uint32_t>(step), stage, static_cast<std::uint32_t>(probability * 0x1p32),
            static_cast<float>(1 / (1 - probability))};
  }
  /// The random words of four neighbouring channels. @param group  ((n · pixels + pixel) · ⌈C/4⌉ + channel/4)
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> words(std::uint32_t group) const noexcept {
    return tensor_words(seed, Purpose::dropout, step, stage, group);
  }
  [[nodiscard]] constexpr float factor(std::uint32_t word) const noexcept {
    return word < threshold ? 0.0F : scale;
  }

  friend constexpr bool operator==(const DropoutMask&, const DropoutMask&) = default;
};

/// Groups of four channels in a pixel.
[[nodiscard]] constexpr std::uint32_t channel_groups(int channels) noexcept {
  return (static_cast<std::uint32_t>(channels) + 3) / 4;
}

/// The factor of one number. @param pixel  counted over the batch
[[nodiscard]] constexpr float dropout_factor(const DropoutMask& mask, int channels, std::uint32_t pixel,
                                             int channel) noexcept {
  const auto words = mask.words(pixel * channel_groups(channels) + static_cast<std::uint32_t>(channel) / 4);
  return mask.factor(words[static_cast<std::size_t>(channel % 4)]);
}

}  // namespace sdepth::inline SDEPTH_ISA
