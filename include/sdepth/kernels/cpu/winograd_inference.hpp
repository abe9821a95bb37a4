// Winograd's F(4×4, 3×3) for trained networks, an image kernel (see direct.hpp): one image reads each weight
// once for 4 tiles, and then its speed is that at which weights arrive.
//
//   U = G w Gᵀ has 36 numbers for the 9 of a filter. Here G w lies in memory, 18 numbers, and ·Gᵀ is made in
//   registers, between the load and the multiply-adds: half the bytes, for 8 additions to 24 multiply-adds.
//
// Everything is worked on by rows of U, 6 positions at once, whose sums over the channels stay in registers:
// the 4 tiles that they are made for fill 24 of them. So does the way out: the 6 sums of a row become 4
// columns of pixels before they are stored. All factors of the columns are taken out of Gᵀ and Aᵀ, so that
// both consist of additions mostly, and come in at the end, with the bias.
//
// Counted for 64 channels at 8×8 and measured with operands in cache, in cycles of Zen 4 (AVX-512, one
// multiply-add a cycle and one addition beside it): 36,864 multiply-adds; 37,800 take the products, the way
// out 1,500, where U in memory takes 46,300, coming from L2, and 2,200.
#pragma once

#include <cstddef>

#include <sdepth/core/exactly.hpp>
#include <sdepth/kernels/cpu/winograd.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Whether inference makes rows of U in registers.
///
/// 24 sums and what they are made from need 32 registers. Of the processors with so many only those with
/// AVX-512 were measured; those with 16 would cut a row into two, and load as much again.
///
/// An image of 4 tiles wants 16 bytes of U a cycle, one of 16 tiles 4, which L3 gives at best. With more
/// tiles U can wait; but each vector of outputs reads V anew, which then should be in L1, a row of it at a
/// time (measured: 512 channels at 7×7 1.6 times as fast for one image, 256 at 14×14 as fast; 64 at 56×56
/// and 128 at 28×28, which this leaves out, 0.95).
template <class Arch, ConvShape S, Caches C>
[[nodiscard]] constexpr bool making_rows_of_u_pays() noexcept {
  if (registers<Arch> < 32 || lanes<Arch> < 16) return false;
  const int tile_rows = tiles_of(S.out().height), tile_columns = tiles_of(S.out().width);
  const int numbers = tiles_at_a_time(tile_rows, tile_columns) * padded<Arch>(S.in.channels);
  return tile_rows * tile_columns <= 16 || 6 * 4 * numbers <= C.l1 / 2;
}

/// What rows and columns of the way out lack: aⁱ·(2a)ʲ, and a quarter for the 4 in prepare().
struct WinogradInferenceFactors {
  float of[4][4] = {};
  constexpr WinogradInferenceFactors() noexcept {
    constexpr double a = winograd_points::a;
    constexpr double powers[4] = {1, a, a * a, a * a * a};
    for (int i = 0; i < 4; ++i)
      for (int j = 0; j < 4; ++j) of[i][j] = static_cast<float>(0.25 * powers[i] * powers[j] * (1 << j));
  }
};
/// Not static in the function that reads it: a nonblocking function may have no such variable, says clang.
inline constexpr WinogradInferenceFactors winograd_inference_factors;

/// The same convolutions as WinogradForward, to rounding, for weights that are prepared once.
template <class Arch, Scratch From, Shape Out, int Channels, int OutChannels>
struct WinogradInference {
  static_assert(exactly(winograd_points::b, 2 * winograd_points::a),
                "the factors below are those of the points ±a and ±2a");
  using Forward = WinogradKernel<Arch, From, Out, Channels, OutChannels, false>;
  static constexpr Shape out = Out;
  static constexpr Scratch scratch = From;
  static constexpr int tile_columns = Forward::tile_columns, tile_rows = Forward::tile_rows;
  static constexpr int images = Forward::images, rows = Forward::rows, tiles = Forward::tiles;
  static constexpr int vectors = Forward::vectors, plane = Forward::plane;
  static constexpr bool tiled = true;  // its tiles begin at the scratch's edge
  /// V is [6 rows][6 columns] planes. Rows of M, which have 4 columns, begin 4 planes earlier: row r ends
  /// where V's begins, which no later product reads.
  static constexpr int row_of_m = winograd_tile * plane;
  static constexpr std::size_t work_size = static_cast<std::size_t>(winograd_positions * plane + row_of_m);
  /// G w: [6 rows][vectors][channels][3][lanes], in the order in which it is read.
  static constexpr int step = 3 * lanes<Arch>;
  static constexpr std::size_t prepared_size = static_cast<std::size_t>(6 * vectors * Channels * step);
  static constexpr int prepare_tasks = Channels;

  /// @param channel  whose G w is written, made in double and rounded to float and, where it lies in memory
  ///                 in 16 bits, to those
  template <class Weight>
  static void prepare(int channel, const float* weights, Weight* prepared) {
    namespace p = winograd_points;
    constexpr int pitch = padded<Arch>(OutChannels);
    // The columns' numbers are those of (1, x·a, x²·a²): then row() needs no factors but 2 and 4. `common` is
    // what Gᵀ's column of b has before that; times 4, for numbers as large as those of w.
    constexpr double common = 4 / (2 * p::b2 * (p::b2 - p::a2));
    constexpr double across[3] = {common, common * p::a, common * p::a2};
    constexpr double last_row = 1 / (p::a * p::a2);  // see down()
    for (int r = 0; r < 6; ++r)
      for (int b = 0; b < 3; ++b)
        for (int o = 0; o < Out.channels; ++o) {
          double sum = 0;
          for (int a = 0; a < 3 && o < OutChannels; ++a)
            sum += winograd_g[r][a] *
                   static_cast<double>(weights[((3 * a + b) * Channels + channel) * pitch + o]);
          put(static_cast<float>(sum * across[b] * (r == 5 ? last_row : 1)),
              prepared + ((r * vectors + o / lanes<Arch>)*Channels + channel) * step + b * lanes<Arch> +
                  o % lanes<Arch>);
        }
  }

  template <class Weight, class Sinks>
  static void run(const float* in, int group, int row, int count, const Weight* prepared, float* work,
                  Prefetcher&, const Sinks& sinks) {
    transform(in, group, row, work);
    multiply(group, prepared, work);
    give(group, row, count, work, sinks);
  }

  // The three steps of run().
  static void transform(const float* in, int group, int row, float* work) {
    Forward::transform(in, group, row, work + row_of_m - plane);  // where it writes begins a plane later
  }
  template <class Weight>
  static void multiply(int group, const Weight* prepared, float* work) {
    for (int r = 0; r < 6; ++r)
      for (int vector = 0; vector < vectors; ++vector) {
        const Weight* w = prepared + (r * vectors + vector) * Channels * step;
        const float* v = work + row_of_m + 6 * r * plane;
        float* m = work + r * row_of_m + vector * lanes<Arch>;
        if (group == images)
          product<images * tiles>(v, w, m);
        else
          for (int g = 0; g < group; ++g)
            product<tiles>(v + g * tiles * From.image.channels, w, m + g * tiles * Out.channels);
      }
  }
  template <class Sinks>
  static void give(int group, int row, int count, const float* work, const Sinks& sinks) {
    Forward::for_each_tile(
        group, sinks, [&](int tile, int down, int right, const auto& sink) SDEPTH_INLINE_LAMBDA {
          give_tile(work + tile * Out.channels, row, down, right, count, sink);
        });
  }

 private:
  /// A row of M from a row of V and one of G w, of a vector of outputs.
  template <int Tiles, class Weight>
  static void product(const float* v, const Weight* w, float* m) {
    for_each_block<Cut(Tiles, 4)>([&]<int Size>(int tile) SDEPTH_INLINE_LAMBDA {
      row<Size>(v + tile * From.image.channels, w, m + tile * Out.channels);
    });
  }
  template <int Tiles, class Weight>
  static void row(const float* v, const Weight* w, float* m) {
    constexpr int line = 64 / sizeof(Weight);
    // As far as WinogradKernel's weights, measured there.
    constexpr int ahead = (32 << 10) / sizeof(Weight);
    Vector<Arch> sum[6][static_cast<std::size_t>(Tiles)];
    SDEPTH_UNROLL(6)
    for (int c = 0; c < 6; ++c) {
      SDEPTH_UNROLL(4)
      for (int t = 0; t < Tiles; ++t) sum[c][t] = all<Arch>(0.0F);
    }
    const auto add = [&](int c, const Vector<Arch>& u) SDEPTH_INLINE_LAMBDA {
      SDEPTH_UNROLL(4)
      for (int t = 0; t < Tiles; ++t)
        sum[c][t] = fma<Arch>(all<Arch>(v[c * plane + t * From.image.channels]), u, sum[c][t]);
    };
    for (int channel = 0; channel < Channels; ++channel, ++v, w += step) {
      SDEPTH_UNROLL(3)
      for (int i = 0; i < step; i += line) __builtin_prefetch(w + i + ahead, 0, 2);
      const Vector<Arch> w0 = load<Arch>(w), w1 = load<Arch>(w + lanes<Arch>),
                         w2 = load<Arch>(w + 2 * lanes<Arch>);
      // Doubled by additions, which run beside the multiply-adds.
      const Vector<Arch> twice = w2 + w2, even_a = w0 + w2, even_b = w0 + (twice + twice), odd_b = w1 + w1;
      add(0, w0);
      add(1, even_a + w1);
      add(2, even_a - w1);
      add(3, even_b + odd_b);
      add(4, even_b - odd_b);
      add(5, w2);
    }
    SDEPTH_UNROLL(4)
    for (int t = 0; t < Tiles; ++t)
      across(sum[0][t], sum[1][t], sum[2][t], sum[3][t], sum[4][t], sum[5][t], m + t * Out.channels);
  }
  /// The columns of Aᵀ, each without its factor (2a)ʲ.
  SDEPTH_INLINE static void across(const Vector<Arch>& s0, const Vector<Arch>& s1, const Vector<Arch>& s2,
                                   const Vector<Arch>& s3, const Vector<Arch>& s4, const Vector<Arch>& s5,
                                   float* to) {
    const Vector<Arch> even_a = s1 + s2, odd_a = s1 - s2, even_b = s3 + s4, odd_b = s3 - s4;
    // Relative to the column of b, that of a has the factor −4, that of 0 has 6, that of ∞ 24 a².
    store<Arch>(to, fma<Arch>(all<Arch>(6.0F), s0, fnma<Arch>(all<Arch>(4.0F), even_a, even_b)));
    store<Arch>(to + plane, fnma<Arch>(all<Arch>(2.0F), odd_a, odd_b));
    store<Arch>(to + 2 * plane, even_b - even_a);
    store<Arch>(to + 3 * plane, fnma<Arch>(all<Arch>(0.5F), odd_a,
                                           fma<Arch>(constant<Arch>(3 / winograd_points::a), s5, odd_b)));
  }
  /// The rows of Aᵀ, each without its factor aⁱ, from a column of M.
  SDEPTH_INLINE static void down(const float* m, Vector<Arch>* to) {
    Vector<Arch> s[6];
    SDEPTH_UNROLL(6)
    for (int r = 0; r < 6; ++r) s[r] = load<Arch>(m + r * row_of_m);
    const Vector<Arch> even_a = s[1] + s[2], odd_a = s[1] - s[2], even_b = s[3] + s[4], odd_b = s[3] - s[4];
    to[0] = s[0] + (even_a + even_b);
    to[1] = fma<Arch>(all<Arch>(2.0F), odd_b, odd_a);
    to[2] = fma<Arch>(all<Arch>(4.0F), even_b, even_a);
    to[3] = fma<Arch>(all<Arch>(8.0F), odd_b, odd_a + s[5]);
  }
  /// Aᵀ M A of one tile to the sink; pixels beyond the image are dropped.
  template <class Sink>
  static void give_tile(const float* m, int first_row, int row, int column, int count, const Sink& sink) {
    constexpr const auto& factors = winograd_inference_factors;
    constexpr bool all_whole = Out.height % winograd_tile == 0 && Out.width % winograd_tile == 0;
    const int rows_here = std::min(winograd_tile, count - row),
              columns_here = std::min(winograd_tile, Out.width - column);
    if (!all_whole && rows_here <= 0) return;
    const bool whole = all_whole || (rows_here == winograd_tile && columns_here == winograd_tile);
    for (int c = 0; c < Out.channels; c += lanes<Arch>) {
      Vector<Arch> values[4][4];  // [column][row]
      SDEPTH_UNROLL(4)
      for (int j = 0; j < 4; ++j) down(m + j * plane + c, values[j]);
      if (whole) {
        const auto value = [&](std::size_t i, std::size_t j, const Vector<Arch>& bias) SDEPTH_INLINE_LAMBDA {
                                 return fma<Arch>(all<Arch>(factors.of[i][j]), values[j][i], bias);
                               };
        sink.template tile_of<4, 4>(first_row + row, column, c, value);
      } else {
        float finished[16 * lanes<Arch>];
        for (std::size_t i = 0; i < 4; ++i)
          for (std::size_t j = 0; j < 4; ++j)
            store<Arch>(finished + (i * 4 + j) * lanes<Arch>, values[j][i] * all<Arch>(factors.of[i][j]));
        sink.block(first_row + row, column, c, finished, rows_here, columns_here, 4 * lanes<Arch>,
                   lanes<Arch>);
      }
    }
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
