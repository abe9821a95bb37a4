// Stochastic rounding of what a training step stores in bfloat16: which random bits are whose. A pure
// function of seed, step, tensor and place, so that threads, resumed runs, processes that share a batch and
// backends agree, and a skipped block changes nobody else's.
//
//     group of four words   two neighbouring pixels × four neighbouring channels
//     of a word             its lower half is the even pixel's, its upper half the odd one's
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/core/philox.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How a training step rounds activations and their gradients where they lie in memory as bfloat16.
/// Evaluation and inference round to nearest always, and so does the copy of a batch's images.
enum class Rounding {
  nearest,     // ties to even
  stochastic,  // up or down, so that the mean is the number: bfloat16::stochastic
};

/// Groups of four channels in a pixel: as many as whole vectors of 16 have, so that they can be told from
/// padded channels, too, whatever these are padded to.
[[nodiscard]] constexpr std::uint32_t rounding_groups(int channels) noexcept {
  return (static_cast<std::uint32_t>(channels) + 15) / 16 * 4;
}

/// The random numbers of one tensor that a kernel writes.
struct RoundingNoise {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
  std::uint32_t tensor = 0;
  bool on = false;  // false: rounding is to nearest

  explicit constexpr operator bool() const noexcept { return on; }
  /// Of a kernel that writes two tensors: the other one's.
  [[nodiscard]] constexpr RoundingNoise second() const noexcept { return {seed, step, tensor | 1U, on}; }
  /// @param group  pixel/2 · rounding_groups(C) + channel/4
  [[nodiscard]] constexpr std::array<std::uint32_t, 4> words(std::uint32_t group) const noexcept {
    return tensor_words(seed, Purpose::rounding, step, tensor, group);
  }
  /// The 16 bits of one number. @param pixel  counted over the batch, or over a stage's survivors
  [[nodiscard]] constexpr std::uint32_t bits(int channels, std::uint32_t pixel, int channel) const noexcept {
    const auto group = words(pixel / 2 * rounding_groups(channels) + static_cast<std::uint32_t>(channel) / 4);
    return group[static_cast<std::size_t>(channel % 4)] >> 16 * (pixel % 2) & 0xffffU;
  }
};

/// A context's part: how kernels round, and which tensor is whose in the step.
class RoundingOfStep {
 public:
  /// From now on.
  void to_nearest() noexcept { noise_ = {}; }
  void stochastic(std::uint64_t seed, std::uint64_t step) noexcept {
    noise_ = {seed, static_cast<std::uint32_t>(step), 0, true};
  }
  /// Before a stage of the trunk, or a block: the kernels that follow count their tensors from here.
  /// @param place  tells the stages, and the two ways through them, apart; below 2²¹
  void begin(std::uint32_t place) noexcept { noise_.tensor = place << 11; }
  /// For a kernel, which asks once; see RoundingNoise::second.
  [[nodiscard]] RoundingNoise next() noexcept {
    const RoundingNoise mine = noise_;
    noise_.tensor += 2;
    return mine;
  }

 private:
  RoundingNoise noise_;
};

/// Numbers of any tensor [N, H, W, channels], one by one, on their way to memory: as Stored, rounded as the
/// context says.
template <class Stored>
struct Written {
  RoundingNoise noise;
  int channels = 1;
  std::size_t first = 0;  // which pixel of the whole batch the first one here is

  /// @param i  the number's index in the tensor
  template <class Number>
  [[nodiscard]] Stored operator()(Number x, std::size_t i) const {
    if constexpr (std::is_same_v<Stored, bfloat16>)
      if (noise) {
        const auto row = static_cast<std::size_t>(channels);
        return bfloat16::stochastic(
            static_cast<float>(x),
            noise.bits(channels, static_cast<std::uint32_t>(first + i / row), static_cast<int>(i % row)));
      }
    return static_cast<Stored>(x);
  }
};

/// Whether a backend's kernels can round stochastically: those whose contexts have a RoundingOfStep, and
/// whose activations are rounded at all.
template <class Backend>
concept RoundsStochastically = !std::is_same_v<typename Backend::Scalar, typename Backend::Stored> &&
                               requires(typename Backend::Context& context) {
                                 { context.rounding() } -> std::same_as<RoundingOfStep&>;
                               };

}  // namespace sdepth::inline SDEPTH_ISA
