// The two register blocks that all arithmetic of the direct kernels runs in, and the choice of their size at
// compile time.
//
//   convolve_block  pixels × vectors of output channels, summed over taps and input channels: convolutions, input gradients, linear layers
//   outer_block     input channels × vectors of output channels, summed over pixels: weight gradients
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>

#include <sdepth/kernels/cpu/caches.hpp>
#include <sdepth/kernels/cpu/stored.hpp>
#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Output pixels (rows × columns) and vectors of output channels that are accumulated in registers.
struct Block {
  int rows = 1;
  int columns = 1;
  int vectors = 1;
};

/// An extent cut into blocks of at most so many, as evenly as can be: 16 by at most 6 are 6, 5 and 5.
struct Cut {
  int size = 1;    // of a larger block; a smaller one has one less
  int larger = 0;  // how many there are of each
  int smaller = 0;

  constexpr Cut(int extent, int most) noexcept {
    const int blocks = (extent + most - 1) / most;
    size = (extent + blocks - 1) / blocks;
    smaller = blocks * size - extent;
    larger = blocks - smaller;
  }
  [[nodiscard]] constexpr int blocks() const noexcept { return larger + smaller; }
};

/// Calls body<size>(first) for each block of a cut.
template <Cut C, class Body>
SDEPTH_INLINE void for_each_block(const Body& body) {
  for (int i = 0; i < C.larger; ++i) body.template operator()<C.size>(i * C.size);
  if constexpr (C.smaller != 0)
    for (int i = 0; i < C.smaller; ++i)
      body.template operator()<C.size - 1>(C.larger * C.size + i * (C.size - 1));
}

/// Cycles of one step (one input channel of one tap; one pixel): each accumulator takes a multiply-add, each
/// scalar a broadcast and each vector a load, two of either per cycle, and one load is for what is fetched
/// ahead. A chain of multiply-adds cannot be faster than its latency of 4 cycles, and 8 chains, which fill
/// two units exactly, are held up by whatever else is in their way: 4.5 (measured with AVX2: products in
/// blocks of 8 accumulators at 0.92 of the ceiling, of 10 to 12 at 0.95).
[[nodiscard]] constexpr double step_cycles(int scalars, int vectors) noexcept {
  return std::max({scalars * vectors / 2.0, (scalars + vectors + 1) / 2.0, 4.5});
}

/// Whether vectors are those of SSE or AVX: 16 registers, and no fused multiply-add unless Arch says so.
template <class Arch>
inline constexpr bool short_x86 =
    lanes<Arch> <= 8 && (std::is_base_of_v<xsimd::sse2, Arch> || std::is_base_of_v<xsimd::avx, Arch>);
template <class Arch>
inline constexpr bool fuses = !short_x86<Arch>;
template <class Base>
inline constexpr bool fuses<xsimd::fma3<Base>> = true;

/// Whether the accumulators, the vectors and one broadcast fit the registers; without a fused multiply-add
/// its product needs one, too.
template <class Arch>
[[nodiscard]] constexpr bool fits_registers(int scalars, int vectors) noexcept {
  return scalars * vectors + vectors + (fuses<Arch> ? 1 : 2) <= registers<Arch>;
}

/// Cycles of `scalars` × `vectors` cut into blocks of at most so many of each. stream(v): cycles in which the
/// weights of v vectors arrive.
template <class Stream>
[[nodiscard]] constexpr double cycles_of(const Cut& scalars, int rows, const Cut& vectors,
                                         const Stream& stream) noexcept {
  const auto column = [&](int v) {
    const auto one = [&](int s) { return std::max(step_cycles(rows * s, v), stream(v)); };
    return scalars.larger * one(scalars.size) +
           (scalars.smaller ? scalars.smaller * one(scalars.size - 1) : 0.0);
  };
  return vectors.larger * column(vectors.size) +
         (vectors.smaller ? vectors.smaller * column(vectors.size - 1) : 0.0);
}

/// The fastest block for an output of height × width pixels with so many vectors of channels, `steps` steps
/// each.
///
/// Rows of pixels, and channels, are cut evenly into blocks of this size and one less. Blocks of several rows
/// serve images narrower than a block; they take whole rows, and divide the height. Where the weights of a
/// block do not fit half of L1 they come from L2 at 32 bytes per cycle, and where not half of L2 either, from
/// beyond at 8. Among equals one that is cut into blocks all alike wins, because that is less code, then that
/// with most accumulators, because it has latency to spare, and then that with most pixels, which reads the
/// weights least often.
template <class Arch>
[[nodiscard]] constexpr Block choose_block(int height, int width, int vectors, int steps,
                                           const Caches& caches = default_caches<Arch>) noexcept {
  const auto stream = [&](int v) {
    const double bytes = 4.0 * v * lanes<Arch>;
    return bytes * steps > caches.l2 / 2 ? bytes / 8 : bytes * steps > caches.l1 / 2 ? bytes / 32 : 0.0;
  };
  Block best;
  double best_cycles = 0;
  int best_rank = 0;
  for (int most = 1; most <= std::min(vectors, 4); ++most)
    for (int columns = 1; columns <= width; ++columns)
      for (int rows = 1; rows == 1 || (columns == width && rows <= height); ++rows) {
        const Cut across(width, columns), deep(vectors, most);
        const int pixels = rows * across.size;
        if (height % rows != 0 || !fits_registers<Arch>(pixels, deep.size)) continue;
        const double cycles = cycles_of(across, rows, deep, stream) * (height / rows);
        const int rank = pixels * (64 * deep.size + 1) + (across.smaller || deep.smaller ? 0 : 1 << 16);
        if (best_cycles <= 0 || cycles < best_cycles * 0.999 ||
            (cycles < best_cycles * 1.001 && rank > best_rank)) {
          best = {rows, across.size, deep.size};
          best_cycles = cycles;
          best_rank = rank;
        }
      }
  return best;
}

/// Distances, in floats, between neighbouring output pixels of a block: in the input that they read first and
/// in the output.
struct OutputDistances {
  int in_row = 0;
  int in_column = 0;
  int out_row = 0;
  int out_column = 0;
};

/// The taps of a kernel, each over `channels` input channels, and the distances in numbers between
/// neighbouring ones.
struct Taps {
  int rows = 1;
  int columns = 1;
  int channels = 1;
  int in_row = 0;
  int in_column = 0;
  int weights_row = 0;
  int weights_column = 0;
  int weights_channel = 0;
  /// Weights so many floats further on are asked for while a row is used, be it beyond their end, where that
  /// does nothing; 0: none.
  int weights_ahead = 0;
};

/// A load into a register, which all that follow use. g++ tuned for Zen 1 to 3 folds it into each
/// multiply-add instead: 12 loads for the 8 multiply-adds of a 4 × 2 block, two a cycle of both, and such
/// blocks ran at half of the ceiling. An empty instruction that may change the register prevents that.
/// Vectors of 64 bytes are left alone: there is one multiply-add a cycle or two loads, and g++ folds the
/// broadcasts instead.
template <class Arch, class Weight>
SDEPTH_INLINE Vector<Arch> load_once(const Weight* p) {
  Vector<Arch> v = load<Arch>(p);
#if defined(__GNUC__) && defined(__x86_64__)
  if constexpr (short_x86<Arch>) asm("" : "+x"(v.data));
#endif
  return v;
}

/// Weights packed in the order in which blocks of a cut of their vectors read them, each block's steps one
/// after the other: where the number of a step and a vector lies. As they are, steps of 256 channels lie a
/// KiB apart or more, and a block, which reads 64 or 96 bytes of each, meets a new page every few steps,
/// where the hardware does not fetch ahead (measured, 512 channels at 7×7: the direct kernel ran at 0.1 of
/// the ceiling).
template <class Arch>
[[nodiscard]] constexpr int packed_at(const Cut& cut, int steps, int step, int vector) noexcept {
  const int whole = cut.larger * cut.size, size = vector < whole ? cut.size : cut.size - 1;
  const int first = vector < whole ? vector / size * size : whole + (vector - whole) / size * size;
  return (first * steps + step * size + vector - first) * lanes<Arch>;
}
/// The distances between packed weights, `floats` for a step.
[[nodiscard]] constexpr Taps packed(Taps taps, int floats) noexcept {
  taps.weights_channel = floats;
  taps.weights_column = taps.channels * floats;
  taps.weights_row = taps.columns * taps.weights_column;
  return taps;
}
/// Whether a convolution's weights are packed: those of so many output channels that do not fit half of L2,
/// and are thus read from beyond.
[[nodiscard]] constexpr bool packing_pays(int channels, double numbers, const Caches& caches) noexcept {
  return channels >= 256 && numbers * sizeof(float) > caches.l2 / 2;
}

/// out[pixel][lanes] = bias + Σ_taps Σ_ci in[pixel + tap][ci] · weights[tap][ci][lanes], for a block of
/// pixels and vectors. bias may be null.
/// @tparam Weight  what the weights lie in memory as: float, or one of 16 bits, which inference may have
template <class Arch, Block B, OutputDistances G, Taps T, class Weight>
void convolve_block(const float* in, const Weight* weights, const float* bias, float* out) {
  constexpr int pixels = B.rows * B.columns, line = 64 / sizeof(Weight);
  constexpr auto vectors = static_cast<std::size_t>(B.vectors);
  Vector<Arch> sum[static_cast<std::size_t>(pixels)][vectors];
  SDEPTH_UNROLL(4)
  for (int v = 0; v < B.vectors; ++v) {
    const Vector<Arch> start = bias ? load<Arch>(bias + v * lanes<Arch>) : all<Arch>(0.0F);
    SDEPTH_UNROLL(32)
    for (int p = 0; p < pixels; ++p) sum[p][v] = start;
  }
  for (int i = 0; i < T.rows; ++i)
    for (int j = 0; j < T.columns; ++j) {
      const float* x = in + i * T.in_row + j * T.in_column;
      const Weight* w = weights + i * T.weights_row + j * T.weights_column;
      for (int channel = 0; channel < T.channels; ++channel, ++x, w += T.weights_channel) {
        Vector<Arch> row[vectors];
        SDEPTH_UNROLL(4)
        for (int v = 0; v < B.vectors; ++v) row[v] = load_once<Arch>(w + v * lanes<Arch>);
        if constexpr (T.weights_ahead != 0) {
          SDEPTH_UNROLL(4)
          for (int v = 0; v < B.vectors * lanes<Arch>; v += line)
            __builtin_prefetch(w + v + T.weights_ahead, 0, 2);
        }
        SDEPTH_UNROLL(32)
        for (int p = 0; p < pixels; ++p) {
          const Vector<Arch> value = all<Arch>(x[p / B.columns * G.in_row + p % B.columns * G.in_column]);
          SDEPTH_UNROLL(4)
          for (int v = 0; v < B.vectors; ++v) sum[p][v] = fma<Arch>(value, row[v], sum[p][v]);
        }
      }
    }
  SDEPTH_UNROLL(32)
  for (int p = 0; p < pixels; ++p) {
    SDEPTH_UNROLL(4)
    for (int v = 0; v < B.vectors; ++v)
      store<Arch>(out + p / B.columns * G.out_row + p % B.columns * G.out_column + v * lanes<Arch>,
                  sum[p][v]);
  }
}

/// A weight gradient's block: `scalars` input channels × `vectors` of output channels.
struct OuterBlock {
  int scalars = 1;
  int vectors = 1;
};

/// The fastest block for `count` consecutive input channels and so many vectors, both cut evenly. Among
/// equals one that is cut into blocks all alike wins, then the largest, which goes through the pixels least
/// often.
template <class Arch>
[[nodiscard]] constexpr OuterBlock choose_outer_block(int count, int vectors) noexcept {
  OuterBlock best;
  double best_cycles = 0;
  int best_rank = 0;
  for (int most = 1; most <= std::min(vectors, 4); ++most)
    for (int s = 1; s <= count; ++s) {
      const Cut down(count, s), across(vectors, most);
      if (!fits_registers<Arch>(down.size, across.size)) continue;
      const double cycles = cycles_of(down, 1, across, [](int) { return 0.0; });
      const int rank = down.size * across.size + (down.smaller || across.smaller ? 0 : 64);
      if (best_cycles <= 0 || cycles < best_cycles * 0.999 ||
          (cycles < best_cycles * 1.001 && rank >= best_rank)) {
        best = {down.size, across.size};
        best_cycles = cycles;
        best_rank = rank;
      }
    }
  return best;
}

/// Rows of `columns` pixels, and the floats between neighbouring rows and columns in both factors of a weight
/// gradient.
struct PixelRows {
  int columns = 1;
  int x_row = 0;
  int x_column = 0;
  int d_row = 0;
  int d_column = 0;
};

/// total[i·TotalRow + lanes] = Σ_pixels x[pixel][i] · d[pixel][lanes], i < scalars, added to what is there
/// where `add`. That is read at the end: the first multiply-adds need not wait for it.
template <class Arch, OuterBlock B, PixelRows P, int TotalRow>
void outer_block(const float* x, const float* d, int rows, float* total, bool add) {
  constexpr auto vectors = static_cast<std::size_t>(B.vectors);
  Vector<Arch> sum[static_cast<std::size_t>(B.scalars)][vectors];
  SDEPTH_UNROLL(32)
  for (int i = 0; i < B.scalars; ++i) {
    SDEPTH_UNROLL(4)
    for (int v = 0; v < B.vectors; ++v) sum[i][v] = all<Arch>(0.0F);
  }
  for (int row = 0; row < rows; ++row) {
    const float* a = x + row * P.x_row;
    const float* b = d + row * P.d_row;
    // Four pixels at a time: as a loop over single ones, 16 pixels lost a fifth of the rate to its end.
    SDEPTH_UNROLL(4)
    for (int column = 0; column < P.columns; ++column) {
      Vector<Arch> values[vectors];
      SDEPTH_UNROLL(4)
      for (int v = 0; v < B.vectors; ++v)
        values[v] = load_once<Arch>(b + column * P.d_column + v * lanes<Arch>);
      SDEPTH_UNROLL(32)
      for (int i = 0; i < B.scalars; ++i) {
        const Vector<Arch> factor = all<Arch>(a[column * P.x_column + i]);
        SDEPTH_UNROLL(4)
        for (int v = 0; v < B.vectors; ++v) sum[i][v] = fma<Arch>(factor, values[v], sum[i][v]);
      }
    }
  }
  SDEPTH_UNROLL(32)
  for (int i = 0; i < B.scalars; ++i) {
    SDEPTH_UNROLL(4)
    for (int v = 0; v < B.vectors; ++v) {
      float* to = total + i * TotalRow + v * lanes<Arch>;
      store<Arch>(to, add ? load<Arch>(to) + sum[i][v] : sum[i][v]);
    }
  }
}

/// outer_block for all of `Count` consecutive input channels and `Width` vectors of output channels.
template <class Arch, int Count, int Width, PixelRows P, int TotalRow,
          OuterBlock B = choose_outer_block<Arch>(Count, Width)>
void outer_product(const float* x, const float* d, int rows, float* total, bool add) {
  for_each_block<Cut(Width, B.vectors)>([&]<int Vectors>(int vector) SDEPTH_INLINE_LAMBDA {
    const int v = vector * lanes<Arch>;
    for_each_block<Cut(Count, B.scalars)>([&]<int Scalars>(int i) SDEPTH_INLINE_LAMBDA {
      outer_block<Arch, OuterBlock{Scalars, Vectors}, P, TotalRow>(x + i, d + v, rows,
                                                                   total + i * TotalRow + v, add);
    });
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
