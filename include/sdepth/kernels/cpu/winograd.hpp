// Winograd F(4×4, 3×3) on padded scratch: image kernels for 3×3 convolutions of stride 1, with a quarter of
// direct convolution's multiplications. The interface of an image kernel is described in direct.hpp.
//
// Few tiles are transformed at a time, so that V [36][tiles][C_in] and M [36][tiles][C_out] stay near L1;
// each of the 36 products runs in the direct kernels' register blocks. A cache line lies between planes:
// planes a power of two apart would send all 36 write streams to a few sets of L1.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/winograd_transforms.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Tiles of an output's extent; the last may reach beyond it.
[[nodiscard]] constexpr int tiles_of(int extent) noexcept {
  return (extent + winograd_tile - 1) / winograd_tile;
}
/// Scratch extent that the tiles of an output's extent are made from.
[[nodiscard]] constexpr int tiled_extent(int extent) noexcept { return tiles_of(extent) * winograd_tile + 2; }

/// How many rows of tiles are worked on at a time: as few, dividing their number, as make `least` tiles, so
/// that V and M are small.
[[nodiscard]] constexpr int tile_rows_at_a_time(int rows, int columns, int least) noexcept {
  for (int r = 1; r < rows; ++r)
    if (rows % r == 0 && r * columns >= least) return r;
  return rows;
}
/// Tiles of one image in a call of the forward kernels: 8 hide the loads of U behind the multiply-adds; at 16
/// channels V and M take 21 KiB of L1 then. Measured against the multiply-add ceiling: 16 tiles 1.75, 8 tiles
/// 2.05 (input gradient of 16 channels at 32×32); 4 tiles 2.0, 8 tiles 2.5 (32 channels at 16×16).
[[nodiscard]] constexpr int tiles_at_a_time(int rows, int columns) noexcept {
  return tile_rows_at_a_time(rows, columns, 8) * columns;
}
/// How many images are worked on at a time: small ones together, since U, or dU, which is too large for L1,
/// is then read once for all their tiles. 16 tiles suffice to hide that (measured: 64 channels at 8×8,
/// products at 0.79 of the multiply-add ceiling with 4 tiles, 0.98 with 8 and 16; whole stages are slower
/// with 32); no more than 1,024 floats per position, 147 KiB for each of V and M, so that both stay in L2
/// with U.
[[nodiscard]] constexpr int images_at_a_time(int tiles, int channels) noexcept {
  // From 256 channels on, U takes 9 MiB or more, 16 times what V does for 16 tiles, and comes from L3 or
  // memory: it is what must be read seldom.
  return channels >= 256 ? std::max(1, 16 / tiles)
                         : std::max(1, std::min(16 / tiles, 1024 / (tiles * channels)));
}
[[nodiscard]] constexpr int plane_size(int tiles, int channels) noexcept { return tiles * channels + 16; }

/// Where tiles are read: pixels `channels` floats apart, rows of them `row`; and the planes that they are
/// transformed to.
struct Tiling {
  int row = 0;
  int channels = 0;
  int rows = 0;     // of tiles
  int columns = 0;  // of tiles
  int plane = 0;
};
/// Transforms tiles of pixels to planes [36][tiles][channels]. Geometry is part of the type: with distances
/// in variables, address arithmetic took as long as all else.
template <class Arch, Tiling G, bool OfGradient>
void transform_to_planes(const float* in, float* planes) {
  for (int r = 0; r < G.rows; ++r)
    for (int t = 0; t < G.columns; ++t)
      for (int c = 0; c < G.channels; c += lanes<Arch>) {
        const float* tile = in + r * winograd_tile * G.row + t * winograd_tile * G.channels + c;
        float* to = planes + (r * G.columns + t) * G.channels + c;
        const auto from = [&](int i, int j) SDEPTH_INLINE_LAMBDA {
          return load<Arch>(tile + i * G.row + j * G.channels);
        };
        const auto put = [&](int i, int j, const Vector<Arch>& v)
                             SDEPTH_INLINE_LAMBDA { store<Arch>(to + (i * 6 + j) * G.plane, v); };
        if constexpr (OfGradient)
          transform_tile<Arch, GradientTransform<Arch>>(from, put);
        else
          transform_input_tile<Arch>(from, put);
      }
}

/// Forward, and input gradient as the forward of the rotated, transposed weights. From: the scratch read.
/// Out: what is written. Channels: the inputs that count. Weights are [3, 3, C_in, padded(C_out)] in both
/// directions.
template <class Arch, Scratch From, Shape Out, int Channels, int OutChannels, bool Transposed,
          Caches C = default_caches<Arch>>
struct WinogradKernel {
  static constexpr Shape out = Out;
  static constexpr Scratch scratch = From;
  static constexpr int tile_columns = tiles_of(Out.width);
  static constexpr int tiles = tiles_at_a_time(tiles_of(Out.height), tile_columns);  // of one image in a call
  static constexpr int tile_rows = tiles / tile_columns;
  static constexpr int images =
      images_at_a_time(tiles_of(Out.height) * tile_columns, std::max(From.image.channels, Out.channels));
  static constexpr int rows = tile_rows * winograd_tile;
  static constexpr int vectors = Out.channels / lanes<Arch>;
  static constexpr int plane = plane_size(images * tiles, std::max(From.image.channels, Out.channels));
  static constexpr std::size_t work_size = static_cast<std::size_t>((winograd_positions + 1) * plane);
  static constexpr int u_plane = plane_size(Channels, Out.channels);
  static constexpr bool tiled = true;  // its tiles begin at the scratch's edge
  static constexpr Block block = choose_block<Arch>(1, images* tiles, vectors, Channels, C);
  static constexpr bool packs =
      packing_pays(Out.channels, static_cast<double>(winograd_positions) * Channels * Out.channels, C);
  static constexpr std::size_t prepared_size = static_cast<std::size_t>(winograd_positions * u_plane);
  static constexpr int prepare_block = 16;  // channels: a cache line
  static constexpr int prepare_tasks = (Channels + prepare_block - 1) / prepare_block,
                       steps = winograd_positions;

  /// The rows of operand that the tiles of output rows up to `row` are made from.
  [[nodiscard]] static constexpr int needed(int row) noexcept {
    return std::clamp(tiled_extent(row) - From.top, 0, From.image.height);
  }

  /// U = G w Gᵀ of 16 input channels, in double, rounded to float and, where it lies in memory in 16 bits, to
  /// those.
  template <class Weight>
  static void prepare(int task, const float* weights, Weight* prepared) {
    constexpr int pitch = padded<Arch>(Transposed ? Channels : OutChannels),
                  inputs = Transposed ? OutChannels : Channels;
    const int first = task * prepare_block;
    for (int o = 0; o < Out.channels; o += prepare_block) {
      // [tap][input][output]: transposed here, so that all else runs along the outputs
      float w[9][prepare_block][prepare_block] = {};
      for (int tap = 0; tap < 9; ++tap)
        for (int i = 0; i < prepare_block && first + i < Channels; ++i)
          for (int j = 0; j < prepare_block && o + j < OutChannels; ++j)
            w[tap][i][j] = Transposed ? weights[((8 - tap) * inputs + o + j) * pitch + first + i]
                                      : weights[(tap * inputs + first + i) * pitch + o + j];
      for (int i = 0; i < prepare_block && first + i < Channels; ++i)
        transform_weights(w, i, std::min(prepare_block, Out.channels - o), first + i, o, prepared);
    }
  }

  template <class Weight, class Sinks>
  static void run(const float* in, int group, int row, int count, const Weight* prepared, float* work,
                  Prefetcher& ahead, const Sinks& sinks) {
    transform(in, group, row, work);
    multiply(group, prepared, work, ahead);
    give(group, row, count, work, sinks);
  }

  // The three steps of run(). M's plane k lies where V's plane k − 1 was, which no later product reads:
  // together they take half the memory, and at 16 channels fit L1.
  static void transform(const float* in, int group, int row, float* work) {
    constexpr Tiling tiling{From.row(), From.image.channels, tile_rows, tile_columns, plane};
    for (int g = 0; g < group; ++g)
      transform_to_planes<Arch, tiling, false>(
          in + static_cast<std::size_t>(g) * From.size() + row * From.row(),
          work + plane + g * tiles * From.image.channels);
  }
  template <class Weight>
  static void multiply(int group, const Weight* prepared, float* work, Prefetcher& ahead) {
    for (int k = 0; k < winograd_positions; ++k) {
      ahead.step();
      const Weight* u = prepared + k * u_plane;
      const float* v = work + (k + 1) * plane;
      float* m = work + k * plane;
      if (group == images)
        product<images * tiles>(v, u, m);
      else
        for (int g = 0; g < group; ++g)
          product<tiles>(v + g * tiles * From.image.channels, u, m + g * tiles * Out.channels);
    }
  }
  template <class Sinks>
  static void give(int group, int row, int count, const float* work, const Sinks& sinks) {
    for_each_tile(group, sinks,
                  [&](int tile, int down, int right, const auto& sink) SDEPTH_INLINE_LAMBDA {
                    give_tile(work + tile * Out.channels, row, down, right, count, sink);
                  });
  }
  /// Calls give(tile of the group, its first row, its first column, sink of its image).
  template <class Sinks, class Give>
  SDEPTH_INLINE static void for_each_tile(int group, const Sinks& sinks, const Give& give) {
    for (int g = 0; g < group; ++g) {
      const auto sink = sinks(g);
      for (int t = 0; t < tiles; ++t)
        give(g * tiles + t, t / tile_columns * winograd_tile, t % tile_columns * winograd_tile, sink);
    }
  }

 private:
  using Line = double[prepare_block];  // one number of each of 16 outputs
  /// G in one dimension: six results from three. Those of a point and its opposite are the sum and the
  /// difference of the same two terms.
  SDEPTH_INLINE static void apply_g(const Line& w0, const Line& w1, const Line& w2, Line (&u)[6]) {
    for (int o = 0; o < prepare_block; ++o) {
      u[0][o] = winograd_g[0][0] * w0[o];
      u[5][o] = w2[o];
      for (int point = 1; point < 5; point += 2) {
        const double even = winograd_g[point][0] * w0[o] + winograd_g[point][2] * w2[o],
                     odd = winograd_g[point][1] * w1[o];
        u[point][o] = even + odd;
        u[point + 1][o] = even - odd;
      }
    }
  }
  /// Where U of a channel and of the vector that begins with output o lies in its plane.
  [[nodiscard]] static constexpr int u_at(int channel, int o) noexcept {
    return packs ? packed_at<Arch>(Cut(vectors, block.vectors), Channels, channel, o / lanes<Arch>)
                 : channel * Out.channels + o;
  }
  /// U of input i of a block, which is `channel`, for `outputs` neighbouring outputs from `first` on.
  template <class Weight>
  static void transform_weights(const float (&all)[9][prepare_block][prepare_block], int i, int outputs,
                                int channel, int first, Weight* prepared) {
    Line half[3][6], u[6];
    for (int b = 0; b < 3; ++b) {
      Line w[3];
      for (int a = 0; a < 3; ++a)
        for (int o = 0; o < prepare_block; ++o) w[a][o] = static_cast<double>(all[3 * a + b][i][o]);
      apply_g(w[0], w[1], w[2], half[b]);
    }
    for (int r = 0; r < 6; ++r) {
      apply_g(half[0][r], half[1][r], half[2][r], u);
      for (int c = 0; c < 6; ++c)
        if constexpr (packs) {
          for (int o = 0; o < outputs; o += lanes<Arch>)
            for (int lane = 0; lane < lanes<Arch>; ++lane)
              put(static_cast<float>(u[c][o + lane]),
                  prepared + (r * 6 + c) * u_plane + u_at(channel, first + o) + lane);
        } else {
          Weight* to = prepared + (r * 6 + c) * u_plane + u_at(channel, first);
          for (int o = 0; o < outputs; ++o) put(static_cast<float>(u[c][o]), to + o);
        }
    }
  }
  /// One position: [tiles, C_in] · [C_in, C_out].
  template <int Tiles, class Weight>
  static void product(const float* v, const Weight* u, float* m) {
    constexpr OutputDistances grid{.in_column = From.image.channels, .out_column = Out.channels};
    // Position by position U is read in pieces too short for the hardware to fetch ahead. Asked for 32 KiB
    // ahead it is in L2 in time: two positions of 64 channels, nearly the next layer of 16 at inference,
    // whose weights follow (measured, one image through 110 layers: 1.65 ms, without 2.1 ms).
    constexpr Taps taps{
        .channels = Channels, .weights_channel = Out.channels, .weights_ahead = (32 << 10) / sizeof(Weight)};
    // Packed weights are cut as the largest product wants; without, a smaller one is free to cut its own way.
    constexpr Block mine = packs ? Block{1, std::min(Tiles, block.columns), block.vectors}
                                 : choose_block<Arch>(1, Tiles, vectors, Channels, C);
    convolve_rows<Arch, mine, grid, taps, Tiles, vectors, packs>(1, v, u, nullptr, m, [] {});
  }
  /// Aᵀ M A of one tile to the sink; pixels beyond the image are dropped.
  template <class Sink>
  static void give_tile(const float* m, int first_row, int row, int column, int count, const Sink& sink) {
    const int rows_here = std::min(winograd_tile, count - row),
              columns_here = std::min(winograd_tile, Out.width - column);
    if (rows_here <= 0) return;
    sink.begin(rows_here * columns_here);
    const bool whole = rows_here == winograd_tile && columns_here == winograd_tile;
    for (int c = 0; c < Out.channels; c += lanes<Arch>) {
      const auto from = [&](int i, int j) SDEPTH_INLINE_LAMBDA {
        return load<Arch>(m + (i * 6 + j) * plane + c);
      };
      if (whole) {
        Vector<Arch> values[4][4];
        transform_tile<Arch, OutputTransform<Arch>>(from,
                                                    [&](int i, int j, const Vector<Arch>& v) SDEPTH_INLINE_LAMBDA { values[i][j] = v; });
        sink.tile(first_row + row, column, c, values);
      } else {
        float values[16 * lanes<Arch>];
        transform_tile<Arch, OutputTransform<Arch>>(
            from, [&](int i, int j, const Vector<Arch>& v)
                      SDEPTH_INLINE_LAMBDA { store<Arch>(values + (i * 4 + j) * lanes<Arch>, v); });
        sink.block(first_row + row, column, c, values, rows_here, columns_here, 4 * lanes<Arch>, lanes<Arch>);
      }
    }
  }
};

/// Weight gradient: the adjoint. A thread's sums are dU [36][C_in][padded(C_out)]; a part's total is Gᵀ dU G.
template <class Arch, ConvShape S, Scratch V, Scratch D>
struct WinogradWeightGradient {
  static constexpr Shape out = output_image<Arch, S>;
  static constexpr int tile_columns = tiles_of(out.width), all_tile_rows = tiles_of(out.height);
  static constexpr int channels = std::max(V.image.channels, D.image.channels);
  static constexpr int images = images_at_a_time(all_tile_rows * tile_columns, channels);
  /// Each product reads and writes all sums once, so it runs over more tiles than the forward kernel's.
  static constexpr int tile_rows = tile_rows_at_a_time(all_tile_rows, tile_columns, 16);
  static constexpr int rows = tile_rows * winograd_tile;
  static constexpr int tiles = tile_rows * tile_columns;  // of one image in a call
  static constexpr int v_plane = plane_size(images * tiles, V.image.channels),
                       m_plane = plane_size(images * tiles, D.image.channels);
  static constexpr int matrix = S.in.channels * out.channels;
  static constexpr int u_plane = plane_size(S.in.channels, out.channels);
  static constexpr std::size_t own_sums_size = static_cast<std::size_t>(winograd_positions * u_plane);
  static constexpr std::size_t total_size = static_cast<std::size_t>(9 * matrix);
  static constexpr std::size_t work_size = static_cast<std::size_t>(winograd_positions * (v_plane + m_plane));
  static constexpr int steps = winograd_positions;

  static void run(const float* v, const float* d, int group, int row, int, float* sums, bool add, float* work,
                  Prefetcher& ahead) {
    float* m = work + winograd_positions * v_plane;
    constexpr Tiling v_tiling{V.row(), V.image.channels, tile_rows, tile_columns, v_plane};
    constexpr Tiling d_tiling{D.row(), D.image.channels, tile_rows, tile_columns, m_plane};
    for (int g = 0; g < group; ++g) {
      const auto image = static_cast<std::size_t>(g);
      transform_to_planes<Arch, v_tiling, false>(v + image * V.size() + row * V.row(),
                                                 work + g * tiles * V.image.channels);
      transform_to_planes<Arch, d_tiling, true>(d + image * D.size() + D.at(row, 0),
                                                m + g * tiles * D.image.channels);
    }
    constexpr PixelRows all{images * tiles, 0, V.image.channels, 0, D.image.channels};
    constexpr PixelRows image{tiles, tiles * V.image.channels, V.image.channels, tiles * D.image.channels,
                              D.image.channels};
    constexpr int vectors = out.channels / lanes<Arch>;
    for (int k = 0; k < winograd_positions; ++k) {
      ahead.step();
      if (group == images)
        outer_product<Arch, S.in.channels, vectors, all, out.channels>(work + k * v_plane, m + k * m_plane, 1,
                                                                       sums + k * u_plane, add);
      else
        outer_product<Arch, S.in.channels, vectors, image, out.channels>(work + k * v_plane, m + k * m_plane,
                                                                         group, sums + k * u_plane, add);
    }
  }
  /// total[tap] = Gᵀ dU G.
  static void finish_part(const float* sums, float* total) {
    for (int i = 0; i < matrix; i += lanes<Arch>)
      transform_tile<Arch, WeightTransform<Arch>>(
          [&](int a, int b) { return load<Arch>(sums + (a * 6 + b) * u_plane + i); },
          [&](int a, int b, const Vector<Arch>& w) { store<Arch>(total + (a * 3 + b) * matrix + i, w); });
  }
};

/// Scratch for Winograd's tiles: of the input, and of the output's gradient, which both gradients read.
template <class Arch, ConvShape S>
inline constexpr Scratch winograd_input_scratch{input_image<Arch, S>, S.padding, S.padding,
                                                tiled_extent(S.out().height), tiled_extent(S.out().width)};
template <class Arch, ConvShape S>
inline constexpr Scratch winograd_gradient_scratch{
    output_image<Arch, S>, 2 - S.padding, 2 - S.padding,
    std::max(tiled_extent(S.in.height), 2 - S.padding + tiles_of(S.out().height) * winograd_tile),
    std::max(tiled_extent(S.in.width), 2 - S.padding + tiles_of(S.out().width) * winograd_tile)};

template <class Arch, ConvShape S, Scratch From = winograd_input_scratch<Arch, S>,
          Caches C = default_caches<Arch>>
using WinogradForward =
    WinogradKernel<Arch, From, output_image<Arch, S>, S.in.channels, S.channels_out, false, C>;
template <class Arch, ConvShape S, Caches C = default_caches<Arch>>
using WinogradInputGradient = WinogradKernel<Arch, winograd_gradient_scratch<Arch, S>, input_image<Arch, S>,
                                             S.channels_out, S.in.channels, true, C>;

}  // namespace sdepth::inline SDEPTH_ISA::cpu
