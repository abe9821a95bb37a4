// How the weight gradient of a convolution is cut into pieces for thread blocks, warps and threads: all of it
// follows from the shape.
//
//     dW[tap, ci, co] = Σ over images and output pixels of v[pixel·stride + tap − padding, ci] · dy[pixel, co]
//
// is a matrix product with rows (tap, ci), columns co and the pixels as its depth. A block of threads owns
// some rows of taps, some input and some output channels, whose sums stay in registers, and walks over some
// tiles of 8 rows of output pixels; the band of v under a tile and the tile of dy lie in shared memory. A
// thread owns the taps of one row of the kernel: from pixel to pixel along a row of the tile these slide over
// the band, and of v only what comes in is loaded.
#pragma once

#include <algorithm>
#include <bit>

#include <sdepth/kernels/cuda/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// The pieces of one shape. Sizes of arrays are in numbers.
struct WeightGradientTiling {
  ConvShape shape;
  bool tensor_cores = false;

  int channels_in = 0;   // of a block
  int channels_out = 0;  // of a block
  int parts_in = 0;      // blocks side by side
  int parts_out = 0;
  int taps = 0;            // of a thread
  int taps_in_row = 0;     // threads that share a row of the kernel
  int tap_rows = 0;        // of the kernel: kernel · taps_in_row
  int block_tap_rows = 0;  // of a block
  int parts_taps = 0;

  int tile_width = 0;
  int tile_height = 0;
  int tile_images = 0;  // images whose rows fill a tile together
  // threads that share a sum, each over its own rows of the tile (on tensor cores: its own columns)
  int slices = 1;
  int warp_16_out = 1;  // tensor cores: groups of 16 output channels of a warp
  int warp_8_in = 1;    // and of 8 input channels

  /// Rows of a tile: the depth of a tensor core's product, so that a thread stays in its row while it goes
  /// along the columns.
  static constexpr int rows = 8;
  /// 64 KiB: what a block can have from compute capability 7.5 on.
  static constexpr int most_shared = 16384;
  /// More threads of a block would leave some of them fewer registers than their sums need.
  static constexpr int most_threads = 256;

  // The band: input pixels `spacing` apart, so that a kernel of one tap reads no pixel in vain; neighbouring
  // output pixels are `step` apart in it.
  [[nodiscard]] constexpr int spacing() const noexcept { return shape.kernel == 1 ? shape.stride : 1; }
  [[nodiscard]] constexpr int step() const noexcept { return shape.kernel == 1 ? 1 : shape.stride; }
  [[nodiscard]] constexpr int band_width() const noexcept {
    return (tile_width - 1) * step() + taps * taps_in_row;
  }
  [[nodiscard]] constexpr int band_height() const noexcept {
    return (tile_height - 1) * step() + shape.kernel;
  }
  /// From row to row in shared memory. The four rows of a tensor core's operand must begin in banks 0, 8, 16,
  /// 24, in any order, to be read without conflicts: step · pitch ≡ 8 or 24 mod 32. With a step of 4, and
  /// where several images fill the tile, two of them share banks.
  [[nodiscard]] constexpr int band_pitch() const noexcept {
    int pitch = round_up(band_width() * channels_in, 4);
    while (step() % 4 != 0 && step() * pitch % 16 != 8) pitch += 4;
    return pitch;
  }
  [[nodiscard]] constexpr int gradient_pitch() const noexcept {
    return round_up(tile_width * channels_out, 16) + 8;
  }

  /// Numbers that are copied at once.
  [[nodiscard]] constexpr int band_chunk() const noexcept { return shape.network_input ? 1 : 4; }
  [[nodiscard]] constexpr int band_chunks() const noexcept {
    return tile_images * band_height() * band_width() * channels_in / band_chunk();
  }
  [[nodiscard]] constexpr int gradient_chunks() const noexcept {
    return rows * tile_width * channels_out / 4;
  }

  // Shared memory: band and tile as the products read them, then the raw numbers of the next ones; x and
  // shortcut of these only where there are any.
  [[nodiscard]] constexpr int band_size() const noexcept {
    return tile_images * band_height() * band_pitch();
  }
  [[nodiscard]] constexpr int gradient_size() const noexcept { return rows * gradient_pitch(); }
  [[nodiscard]] constexpr int raw_band_size() const noexcept {
    return round_up(band_chunks() * band_chunk(), 4);
  }
  [[nodiscard]] constexpr int raw_gradient_size() const noexcept { return gradient_chunks() * 4; }
  [[nodiscard]] constexpr int tiles_size(bool norm, bool shortcut) const noexcept {
    return band_size() + gradient_size() + (shortcut ? 2 : 1) * raw_band_size() +
           (norm ? 2 : 1) * raw_gradient_size();
  }
  /// Sums of a block.
  [[nodiscard]] constexpr int block_size() const noexcept {
    return block_tap_rows * taps * channels_in * channels_out;
  }
  /// Where all slices but the first hand over their sums at the end.
  [[nodiscard]] constexpr int join_size() const noexcept { return (slices - 1) * block_size(); }
  [[nodiscard]] constexpr int shared_size(bool norm, bool shortcut) const noexcept {
    // the last: 4 channels of the bias gradient
    return std::max({tiles_size(norm, shortcut), join_size(), 4 * threads()});
  }

  /// In float32 a thread owns 4 × 4 channels of its taps.
  [[nodiscard]] constexpr int threads_of_slice() const noexcept {
    return block_tap_rows * (channels_in / 4) * (channels_out / 4);
  }
  [[nodiscard]] constexpr int threads() const noexcept { return threads_of_slice() * slices; }
  /// On tensor cores a warp owns 16 · warp_16_out × 8 · warp_8_in channels of its taps; the same threads make
  /// fewer slices.
  [[nodiscard]] constexpr int tensor_slices() const noexcept { return slices * warp_16_out * warp_8_in / 4; }
  [[nodiscard]] constexpr int warps_of_slice() const noexcept {
    return block_tap_rows * (channels_in / (8 * warp_8_in)) * (channels_out / (16 * warp_16_out));
  }
  /// Blocks that an SM should hold at once: with 48 sums in each thread up to 3 · 256 threads, with 80 two
  /// blocks, with 112 one.
  [[nodiscard]] constexpr int resident() const noexcept { return taps <= 5 ? 2 : 1; }

  [[nodiscard]] constexpr int tiles_across() const noexcept {
    return (shape.out().width + tile_width - 1) / tile_width;
  }
  [[nodiscard]] constexpr int tiles_down() const noexcept {
    return (shape.out().height + tile_height - 1) / tile_height;
  }
  [[nodiscard]] constexpr int tiles(int batch) const noexcept {
    return (batch + tile_images - 1) / tile_images * tiles_across() * tiles_down();
  }
  /// Blocks with different sums.
  [[nodiscard]] constexpr int blocks() const noexcept { return parts_in * parts_out * parts_taps; }
  /// Tiles of a block. 256 blocks in all keep two on each SM of a large device; fewer than two tiles would
  /// leave no copy to hide behind a product.
  [[nodiscard]] constexpr int tiles_of_part(int batch) const noexcept {
    const int parts = (256 + blocks() - 1) / blocks(), tiles_each = (tiles(batch) + parts - 1) / parts;
    return tiles_each > 2 ? tiles_each : 2;
  }
  [[nodiscard]] constexpr int parts(int batch) const noexcept {
    return (tiles(batch) + tiles_of_part(batch) - 1) / tiles_of_part(batch);
  }
};

/// Threads for the channels and rows of taps of a block.
constexpr void divide_block(WeightGradientTiling& t) noexcept {
  t.warp_16_out = t.channels_out >= 32 ? 2 : 1;
  t.warp_8_in = t.channels_in >= 16 ? 2 : 1;
  // A warp of 16 × 8 channels has a quarter of the sums that its threads have in float32, so it needs four of
  // their slices to stand for.
  const int least = t.tensor_cores ? 4 / (t.warp_16_out * t.warp_8_in) : 1;
  const auto fits = [&t](int tap_rows, int slices) {
    t.block_tap_rows = tap_rows;
    t.slices = slices;
    return t.threads() <= WeightGradientTiling::most_threads &&
           t.join_size() <= WeightGradientTiling::most_shared;
  };
  int rows = t.tap_rows, slices = least;
  while (rows > 1 && !fits(rows, least)) --rows;
  t.parts_taps = (t.tap_rows + rows - 1) / rows;
  rows = (t.tap_rows + t.parts_taps - 1) / t.parts_taps;
  while (slices < WeightGradientTiling::rows && fits(rows, 2 * slices)) slices *= 2;
  t.block_tap_rows = rows;
  t.slices = slices;
  t.parts_in = (t.shape.in.channels + t.channels_in - 1) / t.channels_in;
  t.parts_out = (t.shape.channels_out + t.channels_out - 1) / t.channels_out;
}

[[nodiscard]] constexpr WeightGradientTiling weight_gradient_tiling(const ConvShape& shape,
                                                                    bool tensor_cores) noexcept {
  const auto power_of_2 = [](int n) { return static_cast<int>(std::bit_ceil(static_cast<unsigned>(n))); };
  WeightGradientTiling t;
  t.shape = shape;
  t.tensor_cores = tensor_cores;
  // Seven taps × 16 sums and their window fit into the registers of a thread.
  t.taps_in_row = (shape.kernel + 6) / 7;
  t.taps = (shape.kernel + t.taps_in_row - 1) / t.taps_in_row;
  t.tap_rows = shape.kernel * t.taps_in_row;
  // 16 × 32 channels of 9 taps: the sums that 256 blocks hand over are then no more than the activations they
  // read. One tap makes room for 32 × 64.
  const int least_in = tensor_cores ? 8 : 4, least_out = tensor_cores ? 16 : 8,
            scale = shape.kernel == 1 ? 2 : 1;
  t.channels_in = std::clamp(power_of_2(shape.in.channels), least_in, 16 * scale);
  t.channels_out = std::clamp(power_of_2(shape.channels_out), least_out, 32 * scale);
  divide_block(t);

  const Shape out = shape.out();
  t.tile_height = std::min(WeightGradientTiling::rows, power_of_2(out.height));
  t.tile_images = WeightGradientTiling::rows / t.tile_height;
  // The columns of a row are unrolled: 16 · 48 multiplications, or 8 · 112.
  t.tile_width = std::max(std::min(t.taps <= 3 ? 16 : 8, power_of_2(out.width)), t.tensor_slices());
  while (t.tiles_size(true, true) > WeightGradientTiling::most_shared) {
    if (t.tile_width > std::max(4, t.tensor_slices())) {
      t.tile_width /= 2;
    } else if (t.channels_in > least_in) {
      t.channels_in /= 2;
      divide_block(t);
      t.tile_width = std::max(t.tile_width, t.tensor_slices());
    } else if (t.tile_width > std::max(1, t.tensor_slices())) {
      t.tile_width /= 2;
    } else if (t.tile_images > 1) {
      t.tile_images /= 2;
    } else if (t.tile_height > 1) {
      t.tile_height /= 2;
    } else {
      break;
    }
  }
  return t;
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
