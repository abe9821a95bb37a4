// How a convolution on the device is cut into blocks, and what lies where in a block's shared memory.
//
// A block makes a tile: `pixels` output pixels of one image (or of several small ones) in `channels` output
// channels. It walks over its input channels, `depth` at a time: of these the band, all input pixels that the
// tile's taps read, lies in shared memory, and the weights of one row of taps at a time. Both are copied in
// the background while the product of the row before is computed. The input gradient is the same with its
// parts exchanged: output pixels are those of the input (of one of stride² classes, for which the taps that
// reach a pixel are the same), the band is cut from the gradient, and the weights are read turned round.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

struct ConvTile {
  /// 4 warps: few enough that ResNet-110 has two blocks or more for each of 128 multiprocessors at batch 128,
  /// enough to share a band.
  static constexpr int threads = 128;
  /// Blocks on a multiprocessor that registers are kept free for: 128 registers a thread, for 32 sums and two
  /// loads of what they are made of.
  static constexpr int blocks = 4;

  int images = 1;  // images, rows and columns of output pixels: powers of two
  int height = 1;
  int width = 1;
  // times as many pixels are computed, where threads would be left without: too few images' bands fit into
  // shared memory
  int idle = 1;
  int channels = 0;     // output: 8, 16 or 32
  int depth = 0;        // input channels at a time: 4, 8 or 16
  int chunks = 0;       // of input channels
  int step = 1;         // from output pixel to output pixel, in pixels of the band
  int taps = 0;         // in a row
  int band_height = 0;  // of one image, in pixels
  int band_width = 0;
  // weights lie [tap][output channel][input channel] in shared memory instead of [tap][input channel][output
  // channel]
  bool turned = false;

  [[nodiscard]] constexpr int pixels() const noexcept { return images * height * width * idle; }
  /// Numbers from pixel to pixel: an odd multiple of 4, so that 8 neighbours, read 16 bytes each or 4 numbers
  /// each, touch every bank once.
  [[nodiscard]] constexpr int band_pitch() const noexcept { return depth / 4 % 2 == 1 ? depth : depth + 4; }
  [[nodiscard]] constexpr int band_pixels() const noexcept { return images * band_height * band_width; }
  [[nodiscard]] constexpr int band_size() const noexcept { return band_pixels() * band_pitch(); }
  [[nodiscard]] constexpr int weight_rows() const noexcept { return turned ? channels : depth; }
  [[nodiscard]] constexpr int weight_columns() const noexcept { return turned ? depth : channels; }
  /// Numbers from row to row of weights. A tensor core's operand is 4 rows of 8 numbers, without conflicts
  /// where rows are 8 banks apart; turned it is 8 rows of 4.
  [[nodiscard]] constexpr int weight_pitch() const noexcept {
    return turned ? band_pitch() : channels % 16 == 8 ? channels : channels + 8;
  }
  [[nodiscard]] constexpr int tap_size() const noexcept { return weight_rows() * weight_pitch(); }
  [[nodiscard]] constexpr int weight_size() const noexcept { return taps * tap_size(); }
  /// One band is enough where there is nothing to copy ahead.
  [[nodiscard]] constexpr int bands() const noexcept { return chunks > 1 ? 2 : 1; }

  /// The finished tile lies [pixels][result_pitch] where bands and weights were; behind it the rows that
  /// become sums per channel.
  [[nodiscard]] constexpr int result_pitch() const noexcept { return channels + 4; }
  [[nodiscard]] constexpr int result_size() const noexcept { return pixels() * result_pitch(); }
  [[nodiscard]] constexpr int sum_rows() const noexcept { return threads / (channels / 4); }

  [[nodiscard]] constexpr std::size_t shared_bytes() const noexcept {
    const int product = bands() * band_size() + 2 * weight_size(),
              ending = result_size() + sum_rows() * 3 * channels;
    return static_cast<std::size_t>(product > ending ? product : ending) * sizeof(float);
  }
  /// Sums in a thread's registers.
  [[nodiscard]] constexpr int sums() const noexcept { return pixels() * channels / threads; }
  [[nodiscard]] constexpr int tiles_down(int rows) const noexcept { return (rows + height - 1) / height; }
  [[nodiscard]] constexpr int tiles_across(int columns) const noexcept {
    return (columns + width - 1) / width;
  }

  friend constexpr bool operator==(const ConvTile&, const ConvTile&) = default;
};

/// What every device from compute capability 7.5 on has for a block.
inline constexpr std::size_t most_shared_bytes = 64 << 10;
/// With which a multiprocessor has room for 4 blocks (9.0, 10.0), 3 (8.0) or 2 (8.6, 8.9, 12.0).
inline constexpr std::size_t good_shared_bytes = 48 << 10;

/// What a tile is chosen from. Channels as they lie in memory.
struct ConvWork {
  int height = 0;  // output pixels of an image
  int width = 0;
  int channels = 0;     // output
  int channels_in = 0;  // input
  int step = 1;
  int taps = 0;         // in a row
  int reach = 0;        // rows of the band under one row of output pixels
  int least_depth = 8;  // 8 is the depth of a tensor core's product
  bool turned = false;
};

/// The tile, or the smallest possible where none fits into shared memory (then its shared_bytes say so).
[[nodiscard]] constexpr ConvTile conv_tile(const ConvWork& work) noexcept {
  const auto power_of_2 = [](int n, int most) {
    int power = 1;
    while (power < n && power < most) power *= 2;
    return power;
  };
  const int channels = work.channels <= 8 ? 8 : power_of_2(work.channels, 32);
  // 32 sums a thread (8 × 4 in float32: 12 loads of 16 bytes for 128 multiplications), but 16 where an image
  // would fill less than two blocks: 128 images should make 256 blocks.
  const int sums = work.height * work.width * work.channels >= 2 * 32 * ConvTile::threads ? 32 : 16;
  const int most = sums * ConvTile::threads / channels;
  const int deepest = work.channels_in <= work.least_depth ? work.least_depth
                      : work.channels_in % 16 == 0         ? 16
                                                           : 8;
  ConvTile tile;
  const auto fits = [&](int pixels, std::size_t bytes) {
    // 4 columns × 1 pixel a thread, and 16 pixels × 8 channels a warp, are the least.
    tile.channels = channels > 512 / pixels ? channels : 512 / pixels;
    tile.width = power_of_2(work.width, pixels >= 64 ? 16 : pixels / 4);
    tile.height = power_of_2(work.height, pixels / tile.width);
    tile.images = pixels / tile.width / tile.height;
    tile.step = work.step;
    tile.taps = work.taps;
    tile.band_height = (tile.height - 1) * work.step + work.reach;
    tile.band_width = (tile.width - 1) * work.step + work.reach;
    tile.turned = work.turned;
    for (tile.depth = deepest; tile.depth >= work.least_depth; tile.depth /= 2) {
      tile.chunks = (work.channels_in + tile.depth - 1) / tile.depth;
      if (tile.shared_bytes() <= bytes) return true;
    }
    tile.depth = work.least_depth;
    return false;
  };
  for (int pixels = most < 256 ? most : 256; pixels >= 64; pixels /= 2)
    if (fits(pixels, good_shared_bytes)) return tile;
  for (int pixels = most < 256 ? most : 256; pixels >= 16; pixels /= 2)
    if (fits(pixels, most_shared_bytes)) return tile;
  while (tile.images > 1 && tile.shared_bytes() > most_shared_bytes) tile.images /= 2, tile.idle *= 2;
  return tile;
}

/// Forward: the band also holds every pixel that belongs to the tile, though no tap may read it (large
/// strides), since the tile finishes them.
[[nodiscard]] constexpr ConvTile forward_tile(const ConvShape& s, bool tf32) noexcept {
  int reach = s.kernel;
  if (reach < s.stride + s.padding) reach = s.stride + s.padding;
  if (reach < s.stride - s.padding + s.kernel - 1) reach = s.stride - s.padding + s.kernel - 1;
  return conv_tile({.height = s.out().height,
                    .width = s.out().width,
                    .channels = padded(s.channels_out),
                    .channels_in = s.network_input ? s.in.channels : padded(s.in.channels),
                    .step = s.stride,
                    .taps = s.kernel,
                    .reach = reach,
                    .least_depth = s.network_input && !tf32 ? 4 : 8,
                    .turned = false});
}

/// Input gradient: output pixels are each stride-th of the input's.
[[nodiscard]] constexpr ConvTile input_gradient_tile(const ConvShape& s) noexcept {
  const int taps = (s.kernel + s.stride - 1) / s.stride;
  return conv_tile({.height = (s.in.height + s.stride - 1) / s.stride,
                    .width = (s.in.width + s.stride - 1) / s.stride,
                    .channels = padded(s.in.channels),
                    .channels_in = padded(s.channels_out),
                    .step = 1,
                    .taps = taps,
                    .reach = taps,
                    .least_depth = 8,
                    .turned = true});
}

/// Where the pixels of a tile lie in its band, in numbers. Linear in the bits of p: at(a + b) = at(a) + at(b)
/// where a and b have no bit in common, so that a thread computes the place of its first pixel, and those of
/// the others are constants away.
template <class Plan>
[[nodiscard]] __device__ constexpr int pixel_in_band(int p) {
  constexpr ConvTile t = Plan::tile;
  const int image = p / (t.height * t.width) % t.images, row = p / t.width % t.height, column = p % t.width;
  return ((image * t.band_height + row * t.step) * t.band_width + column * t.step) * t.band_pitch();
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
