// Stochastic rounding on rows of pixels that lie in L1, by vectors: two Philox counters in each 128 bits give
// four neighbouring pixels of four channels their random bits.
//
// It comes before the store, and leaves numbers that a bfloat16 holds, which the store then rounds to
// themselves. So kernels ask once a row or a tile, and where rounding is to nearest nothing else is theirs.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sdepth/core/shape.hpp>
#include <sdepth/kernels/cpu/stored.hpp>
#include <sdepth/kernels/rounding.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Half as many 64-bit words as a vector has lanes, each with a number of 32 bits in its lower half; what
/// stands above it does not count.
template <class Arch>
struct Wide {
  static constexpr std::size_t size = static_cast<std::size_t>(lanes<Arch>) / 2;
  using Words [[gnu::vector_size(4 * lanes<Arch>)]] = std::uint64_t;
};

/// The products, all 64 bits of them.
template <class Arch>
SDEPTH_INLINE typename Wide<Arch>::Words multiply_wide(typename Wide<Arch>::Words a, std::uint32_t b) {
  using Words = typename Wide<Arch>::Words;
#ifdef __AVX512F__
  if constexpr (lanes<Arch> == 16)
    return std::bit_cast<Words>(_mm512_mul_epu32(std::bit_cast<__m512i>(a), _mm512_set1_epi64(b)));
#endif
#ifdef __AVX2__
  if constexpr (lanes<Arch> == 8)
    return std::bit_cast<Words>(_mm256_mul_epu32(std::bit_cast<__m256i>(a), _mm256_set1_epi64x(b)));
#endif
#ifdef __SSE2__
  if constexpr (lanes<Arch> == 4)
    return std::bit_cast<Words>(_mm_mul_epu32(std::bit_cast<__m128i>(a), _mm_set1_epi64x(b)));
#endif
  return (a & 0xffffffffU) * b;
}

/// RoundingNoise::words of `lanes` channels for two pairs of pixels: in each lane what belongs to its
/// channel.
/// @param first, second  the pairs' groups of the first four channels
template <class Arch>
SDEPTH_INLINE std::array<typename Bits<Arch>::Words, 2> noise_of_pairs(const RoundingNoise& noise,
                                                                       std::uint32_t first,
                                                                       std::uint32_t second) {
  using Words = typename Wide<Arch>::Words;
  constexpr std::size_t size = Wide<Arch>::size;
  return [&]<std::size_t... i>(std::index_sequence<i...>) SDEPTH_INLINE_LAMBDA {
    constexpr std::uint64_t lower = 0xffffffffU;
    Words c0{(i % 2 == 0 ? first : second) + std::uint32_t{i / 2}...};
    Words c1 = Words{} + noise.step, c2 = Words{} + noise.tensor;
    Words c3 = Words{} + static_cast<std::uint32_t>(Purpose::rounding);
    std::array<std::uint32_t, 2> key{static_cast<std::uint32_t>(noise.seed),
                                     static_cast<std::uint32_t>(noise.seed >> 32)};
    SDEPTH_UNROLL(10)
    for (int round = 0; round < philox::rounds; ++round) {
      const Words a = multiply_wide<Arch>(c0, philox::first_multiplier);
      const Words b = multiply_wide<Arch>(c2, philox::second_multiplier);
      c0 = (b >> 32) ^ c1 ^ (Words{} + key[0]);
      c1 = b;
      c2 = (a >> 32) ^ c3 ^ (Words{} + key[1]);
      c3 = a;
      key[0] += philox::first_step;
      key[1] += philox::second_step;
    }
    const Words p = (c0 & lower) | (c1 << 32), q = (c2 & lower) | (c3 << 32);
    const Words even = __builtin_shufflevector(p, q, (i % 2 == 0 ? i : size + i - 1)...);
    const Words odd = __builtin_shufflevector(p, q, (i % 2 == 0 ? i + 1 : size + i)...);
    return std::array{std::bit_cast<typename Bits<Arch>::Words>(even),
                      std::bit_cast<typename Bits<Arch>::Words>(odd)};
  }(std::make_index_sequence<size>{});
}

/// bfloat16::stochastic, as floats.
template <class Arch>
SDEPTH_INLINE Vector<Arch> rounded_by(const Vector<Arch>& v, typename Bits<Arch>::Words random) {
  using Words = typename Bits<Arch>::Words;
  const auto x = std::bit_cast<Words>(v);
  const Words exponent = x & 0x7f800000U, sum = x + random;
  const Words finite = ((sum & 0x7f800000U) == 0x7f800000U ? x : sum) & 0xffff0000U;
  const auto as_it_is = (exponent == 0x7f800000U) | (exponent == 0U);
  return std::bit_cast<Vector<Arch>>(as_it_is ? x : finite);
}

/// Rounds `pixels` neighbouring pixels, `lanes` channels of each. A function of its own: tiles and rows of
/// all stages share it.
/// @param channels  of a pixel of the tensor   @param first  the first pixel's number in the batch
/// @param pitch     numbers from pixel to pixel
template <class Arch>
[[gnu::noinline]] void round_pixels(const RoundingNoise& noise, int channels, std::uint32_t first, int pixels,
                                    int channel, float* v, int pitch) {
  using Words = typename Bits<Arch>::Words;
  const std::uint32_t groups = rounding_groups(channels),
                      of_channel = static_cast<std::uint32_t>(channel) / 4;
  for (int p = -static_cast<int>(first % 2); p < pixels; p += 4) {
    const std::uint32_t group = (first + static_cast<std::uint32_t>(p)) / 2 * groups + of_channel;
    const auto pairs = noise_of_pairs<Arch>(noise, group, group + groups);
    const auto round = [&](int i, Words random) SDEPTH_INLINE_LAMBDA {
      if (p + i < 0 || p + i >= pixels) return;
      float* const at = v + (p + i) * pitch;
      store<Arch>(at, rounded_by<Arch>(load<Arch>(at), random));
    };
    round(0, pairs[0] & 0xffffU);
    round(1, pairs[0] >> 16);
    round(2, pairs[1] & 0xffffU);
    round(3, pairs[1] >> 16);
  }
}

/// How a kernel rounds one of its tensors. Floats are stored as they are: nothing to know, and nothing to do.
template <class Stored>
struct Rounder {
  static constexpr bool rounds = false;
  [[nodiscard]] static Rounder of(Workspace<float>&, int) { return {}; }
  [[nodiscard]] Rounder second() const { return {}; }
  [[nodiscard]] Rounder at(int, std::size_t, std::size_t = 0) const { return {}; }
};
template <>
struct Rounder<bfloat16> {
  static constexpr bool rounds = true;
  RoundingNoise noise;
  std::uint32_t first = 0;  // which image of the whole batch image 0 is
  std::uint32_t pixel = 0;  // the number in the batch of the pixel that everything is counted from

  /// The kernel's: it asks once. @param first  of its BatchParts
  [[nodiscard]] static Rounder of(Workspace<float>& context, int first) {
    return {context.rounding().next(), static_cast<std::uint32_t>(first), 0};
  }
  [[nodiscard]] Rounder second() const { return {noise.second(), first, pixel}; }
  /// From a pixel of image n on. @param pixels  of an image
  [[nodiscard]] Rounder at(int n, std::size_t pixels, std::size_t offset = 0) const {
    const std::size_t image = first + static_cast<std::size_t>(n);
    return {noise, first, static_cast<std::uint32_t>(image * pixels + offset)};
  }

  explicit operator bool() const noexcept { return noise.on; }
  /// Rows of whole pixels [pixels, channels], the first being that many pixels further on.
  template <class Arch>
  void rows(int channels, std::size_t offset, int pixels, float* v) const {
    for (int c = 0; c < channels; c += lanes<Arch>)
      round_pixels<Arch>(noise, channels, pixel + static_cast<std::uint32_t>(offset), pixels, c, v + c,
                         channels);
  }
  /// One vector of channels of a block of pixels, the first of which is (row, column), after `addend` has
  /// been added.
  template <class Arch, Shape Image, std::size_t Rows, std::size_t Columns>
  SDEPTH_INLINE void tile(int row, int column, int channel, const Vector<Arch>& addend,
                          Vector<Arch> (&values)[Rows][Columns]) const {
    // a copy, so that the values themselves may stay in registers where nothing is to be done
    float copy[Rows * Columns * static_cast<std::size_t>(lanes<Arch>)];
    const auto at = [&](std::size_t i, std::size_t j) {
      return copy + (i * Columns + j) * static_cast<std::size_t>(lanes<Arch>);
    };
    SDEPTH_UNROLL(4)
    for (std::size_t i = 0; i < Rows; ++i) {
      SDEPTH_UNROLL(4)
      for (std::size_t j = 0; j < Columns; ++j) store<Arch>(at(i, j), values[i][j] + addend);
    }
    for (std::size_t i = 0; i < Rows; ++i)
      round_pixels<Arch>(
          noise, Image.channels,
          pixel + static_cast<std::uint32_t>((row + static_cast<int>(i)) * Image.width + column),
          static_cast<int>(Columns), channel, at(i, 0), lanes<Arch>);
    SDEPTH_UNROLL(4)
    for (std::size_t i = 0; i < Rows; ++i) {
      SDEPTH_UNROLL(4)
      for (std::size_t j = 0; j < Columns; ++j) values[i][j] = load<Arch>(at(i, j));
    }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
