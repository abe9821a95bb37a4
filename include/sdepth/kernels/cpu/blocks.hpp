// The two register blocks that all arithmetic of the direct kernels runs in, and the choice of their size at compile time.
//
//   convolve_block  pixels × vectors of output channels, summed over taps and input channels: convolutions, input gradients, linear layers
//   outer_block     input channels × vectors of output channels, summed over pixels: weight gradients
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Output pixels (rows × columns) and vectors of output channels that are accumulated in registers.
struct Block {
  int rows = 1;
  int columns = 1;
  int vectors = 1;
};

/// Cycles of one step (one input channel of one tap; one pixel): each accumulator takes a multiply-add, each scalar a broadcast and each vector a load, two
/// of either per cycle; a chain of multiply-adds cannot be faster than its latency of 4 cycles.
[[nodiscard]] constexpr double step_cycles(int scalars, int vectors) noexcept {
  return std::max({scalars * vectors / 2.0, (scalars + vectors) / 2.0, 4.0});
}

/// Whether the accumulators, the vectors and one broadcast fit the registers.
template <class Arch>
[[nodiscard]] constexpr bool fits_registers(int scalars, int vectors) noexcept {
  return scalars * vectors + vectors + 1 <= registers<Arch>;
}

/// The fastest block for an output of height × width pixels with so many vectors of channels, `steps` steps each.
///
/// The last block of a row, or of the channels, overlaps the one before it, and counts in full. Blocks of several rows serve images narrower than a
/// block; they take whole rows, and divide the height. Where the weights of a block do not fit half of L1 they come from L2 at 32 bytes per cycle.
/// Among equals the one with most accumulators wins, because it has latency to spare, and then that with most pixels, which reads the weights least often.
template <class Arch>
[[nodiscard]] constexpr Block choose_block(int height, int width, int vectors, int steps) noexcept {
  Block best;
  double best_cycles = 0;
  for (int v = 1; v <= std::min(vectors, 4); ++v)
    for (int columns = 1; columns <= width; ++columns)
      for (int rows = 1; rows == 1 || (columns == width && rows <= height); ++rows) {
        if (height % rows != 0 || !fits_registers<Arch>(rows * columns, v)) continue;
        const double bytes = 4.0 * v * lanes<Arch>;
        const double stream = bytes * steps > 16384 ? bytes / 32 : 0;
        const double blocks = static_cast<double>(height / rows) * ((width + columns - 1) / columns) * ((vectors + v - 1) / v);
        const double cycles = std::max(step_cycles(rows * columns, v), stream) * blocks;
        const auto rank = [](const Block& b) { return b.rows * b.columns * (64 * b.vectors + 1); };
        const bool larger = rank({rows, columns, v}) > rank(best);
        if (best_cycles == 0 || cycles < best_cycles * 0.999 || (cycles < best_cycles * 1.001 && larger)) {
          best = {rows, columns, v};
          best_cycles = cycles;
        }
      }
  return best;
}

/// Distances, in floats, between neighbouring output pixels of a block: in the input that they read first and in the output.
struct Grid {
  int in_row = 0;
  int in_column = 0;
  int out_row = 0;
  int out_column = 0;
};

/// The taps of a kernel, each over `channels` input channels, and the distances in floats between neighbouring ones.
struct Taps {
  int rows = 1;
  int columns = 1;
  int channels = 1;
  int in_row = 0;
  int in_column = 0;
  int weights_row = 0;
  int weights_column = 0;
  int weights_channel = 0;
  /// Weights so many floats further on are asked for while a row is used, be it beyond their end, where that does nothing; 0: none.
  int weights_ahead = 0;
};

/// out[pixel][lanes] = bias + Σ_taps Σ_ci in[pixel + tap][ci] · weights[tap][ci][lanes], for a block of pixels and vectors. bias may be null.
template <class Arch, Block B, Grid G, Taps T>
void convolve_block(const float* in, const float* weights, const float* bias, float* out) {
  constexpr int pixels = B.rows * B.columns;
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
      const float* w = weights + i * T.weights_row + j * T.weights_column;
      for (int channel = 0; channel < T.channels; ++channel, ++x, w += T.weights_channel) {
        Vector<Arch> row[vectors];
        SDEPTH_UNROLL(4)
        for (int v = 0; v < B.vectors; ++v) row[v] = load<Arch>(w + v * lanes<Arch>);
        if constexpr (T.weights_ahead != 0) {
          SDEPTH_UNROLL(4)
          for (int v = 0; v < B.vectors; ++v) __builtin_prefetch(w + v * lanes<Arch> + T.weights_ahead, 0, 2);
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
      store<Arch>(out + p / B.columns * G.out_row + p % B.columns * G.out_column + v * lanes<Arch>, sum[p][v]);
  }
}

/// A weight gradient's block: `scalars` input channels × `vectors` of output channels.
struct OuterBlock {
  int scalars = 1;
  int vectors = 1;
};

/// The fastest block for `count` consecutive input channels and so many vectors; what is left over runs in a smaller block. Among equals one that leaves
/// nothing over wins, then the largest, which goes through the pixels least often.
template <class Arch>
[[nodiscard]] constexpr OuterBlock choose_outer_block(int count, int vectors) noexcept {
  OuterBlock best;
  double best_cycles = 0;
  for (int v = 1; v <= std::min(vectors, 4); ++v)
    for (int s = 1; s <= count; ++s) {
      if (!fits_registers<Arch>(s, v)) continue;
      const auto column = [&](int width) { return count / s * step_cycles(s, width) + (count % s ? step_cycles(count % s, width) : 0.0); };
      const double cycles = vectors / v * column(v) + (vectors % v ? column(vectors % v) : 0.0);
      const auto rank = [&](const OuterBlock& b) { return b.scalars * b.vectors + (count % b.scalars == 0 ? 64 : 0); };
      if (best_cycles == 0 || cycles < best_cycles * 0.999 || (cycles < best_cycles * 1.001 && rank({s, v}) >= rank(best))) {
        best = {s, v};
        best_cycles = cycles;
      }
    }
  return best;
}

/// Rows of `columns` pixels, and the floats between neighbouring rows and columns in both factors of a weight gradient.
struct Pixels {
  int columns = 1;
  int x_row = 0;
  int x_column = 0;
  int d_row = 0;
  int d_column = 0;
};

/// total[i·TotalRow + lanes] = Σ_pixels x[pixel][i] · d[pixel][lanes], i < scalars, added to what is there where `add`. That is read at the end: the first
/// multiply-adds need not wait for it.
template <class Arch, OuterBlock B, Pixels P, int TotalRow>
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
      for (int v = 0; v < B.vectors; ++v) values[v] = load<Arch>(b + column * P.d_column + v * lanes<Arch>);
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
template <class Arch, int Count, int Width, Pixels P, int TotalRow, OuterBlock B = choose_outer_block<Arch>(Count, Width)>
void outer_product(const float* x, const float* d, int rows, float* total, bool add) {
  if constexpr (Width > B.vectors && Width % B.vectors != 0) {  // what is left over: once the whole blocks, once the rest
    constexpr int whole = Width - Width % B.vectors;
    outer_product<Arch, Count, whole, P, TotalRow, B>(x, d, rows, total, add);
    outer_product<Arch, Count, Width % B.vectors, P, TotalRow, OuterBlock{B.scalars, Width % B.vectors}>(x, d + whole * lanes<Arch>, rows,
                                                                                                         total + whole * lanes<Arch>, add);
  } else {
    for (int v = 0; v < Width * lanes<Arch>; v += B.vectors * lanes<Arch>) {
      int i = 0;
      for (; i + B.scalars <= Count; i += B.scalars) outer_block<Arch, B, P, TotalRow>(x + i, d + v, rows, total + i * TotalRow + v, add);
      if constexpr (Count % B.scalars != 0)
        outer_block<Arch, OuterBlock{Count % B.scalars, B.vectors}, P, TotalRow>(x + i, d + v, rows, total + i * TotalRow + v, add);
    }
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
