// Winograd F(4×4, 3×3) on padded scratch: image kernels for 3×3 convolutions of stride 1, with a quarter of direct convolution's multiplications.
// The interface of an image kernel is described in direct.hpp.
//
// Some rows of tiles are transformed at a time, so that V [36][tiles][C_in] and M [36][tiles][C_out] stay near L1; each of the 36 products runs in the
// direct kernels' register blocks. A cache line lies between planes: planes a power of two apart would send all 36 write streams to a few sets of L1.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/winograd_transforms.hpp>

namespace sdepth::cpu {

/// Tiles of an output's extent; the last may reach beyond it.
[[nodiscard]] constexpr int tiles_of(int extent) noexcept { return (extent + winograd_tile - 1) / winograd_tile; }
/// Scratch extent that the tiles of an output's extent are made from.
[[nodiscard]] constexpr int tiled_extent(int extent) noexcept { return tiles_of(extent) * winograd_tile + 2; }

/// How many rows of tiles are worked on at a time: as many, dividing their number, as keep tiles × channels within `limit`.
[[nodiscard]] constexpr int tile_rows_at_a_time(int rows, int row_floats, int limit) noexcept {
  int best = 1;
  for (int r = 2; r <= rows; ++r)
    if (rows % r == 0 && r * row_floats <= limit) best = r;
  return best;
}
[[nodiscard]] constexpr int plane_size(int tiles, int channels) noexcept { return tiles * channels + 16; }

/// Transforms `rows` rows of `columns` tiles of T::inputs² pixels to planes; pixels are `channels` floats apart and rows of them `row` floats.
template <class Arch, class T>
void transform_to_planes(const float* in, int row, int channels, int rows, int columns, int plane, float* planes) {
  for (int r = 0; r < rows; ++r)
    for (int t = 0; t < columns; ++t) {
      const float* tile = in + r * winograd_tile * row + t * winograd_tile * channels;
      float* to = planes + (r * columns + t) * channels;
      for (int c = 0; c < channels; c += lanes<Arch>)
        transform_tile<Arch, T>([&](int i, int j) { return load<Arch>(tile + i * row + j * channels + c); },
                                [&](int i, int j, const Vector<Arch>& v) { store<Arch>(to + (i * 6 + j) * plane + c, v); });
    }
}

/// Forward, and input gradient as the forward of the rotated, transposed weights. From: the scratch read. Out: what is written. Channels: the inputs that
/// count. Weights are [3, 3, C_in, padded(C_out)] in both directions.
template <class Arch, Scratch From, Shape Out, int Channels, int OutChannels, bool Transposed>
struct WinogradKernel {
  static constexpr Shape out = Out;
  static constexpr Scratch scratch = From;
  static constexpr int tile_columns = tiles_of(Out.width);
  /// 256 floats per position: 36 KiB for each of V and M, about L1 and far within L2.
  static constexpr int tile_rows =
      tile_rows_at_a_time(tiles_of(Out.height), tile_columns* std::max(From.image.channels, Out.channels), 256);
  static constexpr int tiles = tile_rows * tile_columns;
  static constexpr int images = 1;
  static constexpr int rows = tile_rows * winograd_tile;
  static constexpr int vectors = Out.channels / lanes<Arch>;
  static constexpr int v_plane = plane_size(tiles, From.image.channels), m_plane = plane_size(tiles, Out.channels);
  static constexpr std::size_t work_size = static_cast<std::size_t>(winograd_positions * (v_plane + m_plane));
  static constexpr std::size_t prepared_size = static_cast<std::size_t>(winograd_positions * Channels * Out.channels);
  static constexpr int prepare_tasks = Channels;

  /// The rows of operand that the tiles of output rows up to `row` are made from.
  [[nodiscard]] static constexpr int needed(int row) noexcept { return std::clamp(tiled_extent(row) - From.top, 0, From.image.height); }

  /// U = G w Gᵀ of one input channel, in double.
  static void prepare(int channel, const float* weights, float* prepared) {
    constexpr int pitch = padded<Arch>(Transposed ? Channels : OutChannels), inputs = Transposed ? OutChannels : Channels;
    for (int o = 0; o < Out.channels; ++o) {
      double half[6][3] = {};
      for (int a = 0; o < OutChannels && a < 3; ++a)
        for (int b = 0; b < 3; ++b) {
          const int tap = Transposed ? 8 - (a * 3 + b) : a * 3 + b;
          const double w = static_cast<double>(weights[(tap * inputs + (Transposed ? o : channel)) * pitch + (Transposed ? channel : o)]);
          for (int i = 0; i < 6; ++i) half[i][b] += winograd_g[i][a] * w;
        }
      for (int i = 0; i < 6; ++i)
        for (int j = 0; j < 6; ++j) {
          double u = 0;
          for (int b = 0; b < 3; ++b) u += half[i][b] * winograd_g[j][b];
          prepared[((i * 6 + j) * Channels + channel) * Out.channels + o] = static_cast<float>(u);
        }
    }
  }

  static void run(const float* in, int row, int count, const float* prepared, const float* bias, float* work, float* to) {
    float* v = work;
    float* m = work + winograd_positions * v_plane;
    transform_to_planes<Arch, InputTransform<Arch>>(in + row * From.row(), From.row(), From.image.channels, tile_rows, tile_columns,
                                                    v_plane, v);
    constexpr Grid grid{.in_column = From.image.channels, .out_column = Out.channels};
    constexpr Taps taps{.channels = Channels, .weights_channel = Out.channels};
    constexpr Block block = choose_block<Arch>(1, tiles, vectors, Channels);
    for (int k = 0; k < winograd_positions; ++k)
      convolve_rows<Arch, block, grid, taps, tiles, vectors>(1, v + k * v_plane, prepared + k * Channels * Out.channels, nullptr,
                                                             m + k * m_plane);
    for (int t = 0; t < tiles; ++t)
      write_tile(m + t * Out.channels, t / tile_columns * winograd_tile, t % tile_columns * winograd_tile, count, bias, to);
  }

 private:
  /// Aᵀ M A of one tile to its pixels; those beyond the image are dropped.
  static void write_tile(const float* m, int row, int column, int count, const float* bias, float* to) {
    const int rows_here = std::min(winograd_tile, count - row), columns_here = std::min(winograd_tile, Out.width - column);
    float* pixel = to + (row * Out.width + column) * Out.channels;
    const bool whole = rows_here == winograd_tile && columns_here == winograd_tile;
    for (int c = 0; c < Out.channels; c += lanes<Arch>) {
      const Vector<Arch> start = bias ? load<Arch>(bias + c) : all<Arch>(0.0F);
      const auto from = [&](int i, int j) { return load<Arch>(m + (i * 6 + j) * m_plane + c); };
      const auto put = [&](int i, int j, const Vector<Arch>& v) { store<Arch>(pixel + (i * Out.width + j) * Out.channels + c, v + start); };
      if (whole)
        transform_tile<Arch, OutputTransform<Arch>>(from, put);
      else
        transform_tile<Arch, OutputTransform<Arch>>(from, [&](int i, int j, const Vector<Arch>& v) {
          if (i < rows_here && j < columns_here) put(i, j, v);
        });
    }
  }
};

/// Weight gradient: the adjoint. Totals are dU [36][C_in][padded(C_out)]; Gᵀ dU G is taken when the parts are merged.
template <class Arch, ConvShape S, Scratch V, Scratch D>
struct WinogradWeightGradient {
  static constexpr Shape out = output_image<Arch, S>;
  static constexpr int tile_columns = tiles_of(out.width), all_tile_rows = tiles_of(out.height);
  static constexpr int channels = std::max(V.image.channels, D.image.channels);
  /// Each product reads and writes all totals, so it runs over as many tiles as L2 holds well (1,024 floats per position, at most 32 tiles): over several
  /// images where one has fewer.
  static constexpr int tile_rows = tile_rows_at_a_time(all_tile_rows, tile_columns* channels, std::min(1024, 32 * channels));
  static constexpr int images = tile_rows == all_tile_rows ? std::max(1, std::min(1024 / channels, 32) / (tile_rows * tile_columns)) : 1;
  static constexpr int rows = tile_rows * winograd_tile;
  static constexpr int tiles = tile_rows * tile_columns;  // of one call
  static constexpr int v_plane = plane_size(images * tiles, V.image.channels), m_plane = plane_size(images * tiles, D.image.channels);
  static constexpr int matrix = S.in.channels * out.channels;
  static constexpr std::size_t total_size = static_cast<std::size_t>(winograd_positions * matrix);
  static constexpr std::size_t merged_size = static_cast<std::size_t>(matrix);
  static constexpr std::size_t work_size = static_cast<std::size_t>(winograd_positions * (v_plane + m_plane));

  static void run(const float* v, const float* d, int row, int, int slot, bool last, float* total, float* work) {
    float* m = work + winograd_positions * v_plane;
    transform_to_planes<Arch, InputTransform<Arch>>(v + row * V.row(), V.row(), V.image.channels, tile_rows, tile_columns, v_plane,
                                                    work + slot * tiles * V.image.channels);
    transform_to_planes<Arch, GradientTransform<Arch>>(d + D.at(row, 0), D.row(), D.image.channels, tile_rows, tile_columns, m_plane,
                                                       m + slot * tiles * D.image.channels);
    if (!last) return;
    const Pixels pixels{1, (slot + 1) * tiles, 0, V.image.channels, 0, D.image.channels};
    for (int k = 0; k < winograd_positions; ++k)
      outer_product<Arch, S.in.channels, out.channels / lanes<Arch>>(work + k * v_plane, m + k * m_plane, pixels, total + k * matrix,
                                                                     out.channels);
  }
  /// weight_gradient[tap][first … last) = Gᵀ dU G, dU the sum of the parts' totals in their order.
  static void merge_parts(const float* totals, int parts, std::size_t first, std::size_t last, float* weight_gradient) {
    constexpr auto step = static_cast<std::size_t>(matrix);
    for (std::size_t i = first; i < last; i += lanes<Arch>)
      transform_tile<Arch, WeightTransform<Arch>>(
          [&](int a, int b) {
            const float* position = totals + static_cast<std::size_t>(a * 6 + b) * step + i;
            Vector<Arch> sum = load<Arch>(position);
            for (int part = 1; part < parts; ++part) sum = sum + load<Arch>(position + static_cast<std::size_t>(part) * total_size);
            return sum;
          },
          [&](int a, int b, const Vector<Arch>& w) { store<Arch>(weight_gradient + static_cast<std::size_t>(a * 3 + b) * step + i, w); });
  }
};

/// Scratch for Winograd's tiles: of the input, and of the output's gradient, which both gradients read.
template <class Arch, ConvShape S>
inline constexpr Scratch winograd_input_scratch{input_image<Arch, S>, S.padding, S.padding, tiled_extent(S.out().height),
                                                tiled_extent(S.out().width)};
template <class Arch, ConvShape S>
inline constexpr Scratch winograd_gradient_scratch{
    output_image<Arch, S>, 2 - S.padding, 2 - S.padding,
    std::max(tiled_extent(S.in.height), 2 - S.padding + tiles_of(S.out().height) * winograd_tile),
    std::max(tiled_extent(S.in.width), 2 - S.padding + tiles_of(S.out().width) * winograd_tile)};

template <class Arch, ConvShape S>
using WinogradForward = WinogradKernel<Arch, winograd_input_scratch<Arch, S>, output_image<Arch, S>, S.in.channels, S.channels_out, false>;
template <class Arch, ConvShape S>
using WinogradInputGradient =
    WinogradKernel<Arch, winograd_gradient_scratch<Arch, S>, input_image<Arch, S>, S.channels_out, S.in.channels, true>;

}  // namespace sdepth::cpu
