// The products of a weight gradient: a tile of dy with the band of v under it, added to sums in registers.
//
// Both ways go along the rows of the tile, with the taps of one row of the kernel in a window of registers
// that slides over the band.
#pragma once

#include <cstddef>

#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/tensor_factor.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/cuda/weight_gradient_tiling.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

[[nodiscard]] constexpr std::size_t array_size(int n) noexcept { return static_cast<std::size_t>(n); }

/// Where row r of the tile begins in the band. Rows beyond the tile's images have no gradient, and may read
/// any row.
template <class B>
[[nodiscard]] __device__ inline int band_row(int r) {
  constexpr WeightGradientTiling t = B::tiling;
  return (r / t.tile_height % t.tile_images * t.band_height() + r % t.tile_height * t.step()) *
         t.band_pitch();
}

/// The last block's rows of taps may lie beyond the kernel's last, where its sums are not used.
template <class B>
[[nodiscard]] __device__ inline int tap_row_in_band(int row) {
  return row < B::tiling.tap_rows ? row : B::tiling.tap_rows - 1;
}

/// float32: a thread owns 4 input × 4 output channels of its taps, and of the rows of a tile every slices-th.
///
/// 48 multiplications (3 taps) need one float4 of v and one of dy. Neighbouring threads have the same 4 input
/// and neighbouring output channels: the load of v is a broadcast, that of dy reads whole rows of banks.
template <class B>
struct ProductInFloat32 {
  static constexpr WeightGradientTiling t = B::tiling;
  static constexpr int slices = t.slices;
  static constexpr int threads_of_slice = t.threads_of_slice();

  float sums[array_size(t.taps)][4][4] = {};
  int tap_row, in, out;

  /// @param thread  of its slice
  __device__ explicit ProductInFloat32(int thread)
      : tap_row(thread / (t.channels_out / 4) / (t.channels_in / 4)),
        in(thread / (t.channels_out / 4) % (t.channels_in / 4) * 4),
        out(thread % (t.channels_out / 4) * 4) {}

  /// @param first_tap_row  of the block
  __device__ void add(const float* band, const float* gradient, int slice, int first_tap_row) {
    constexpr int step = t.step();
    const int row = tap_row_in_band<B>(first_tap_row + tap_row);
    const float* const v_of_taps =
        band + row / t.taps_in_row * t.band_pitch() + row % t.taps_in_row * t.taps * t.channels_in + in;
    for (int r = slice; r < t.rows; r += slices) {
      const float* const v = v_of_taps + band_row<B>(r);
      const float* const dy = gradient + r * t.gradient_pitch() + out;
      float4 window[array_size(t.taps)];
#pragma unroll
      for (int x = 0; x < t.tile_width; ++x) {
#pragma unroll
        for (int tap = 0; tap < t.taps; ++tap)
          window[tap] = x > 0 && tap + step < t.taps ? window[tap + step < t.taps ? tap + step : 0]
                                                     : load_4(v + (x * step + tap) * t.channels_in);
        const float4 g = load_4(dy + x * t.channels_out);
#pragma unroll
        for (int tap = 0; tap < t.taps; ++tap) {
          add(sums[tap][0], window[tap].x, g);
          add(sums[tap][1], window[tap].y, g);
          add(sums[tap][2], window[tap].z, g);
          add(sums[tap][3], window[tap].w, g);
        }
      }
    }
  }
  __device__ static void add(float (&sum)[4], float v, const float4& g) {
    sum[0] = fmaf(v, g.x, sum[0]);
    sum[1] = fmaf(v, g.y, sum[1]);
    sum[2] = fmaf(v, g.z, sum[2]);
    sum[3] = fmaf(v, g.w, sum[3]);
  }

  /// Calls body(sum) for each sum, in an order that is the same in all threads.
  template <class Body>
  __device__ void for_each(const Body& body) {
#pragma unroll
    for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int o = 0; o < 4; ++o) body(sums[tap][i][o]);
  }
  /// Writes each sum to at(tap of the row of taps, input channel, output channel), the channels counted from
  /// the block's first, unless that is null.
  template <class At>
  __device__ void store(const At& at) const {
#pragma unroll
    for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
      for (int i = 0; i < 4; ++i)
        if (float* const to = at(tap, in + i, out))
          store_4(to, make_float4(sums[tap][i][0], sums[tap][i][1], sums[tap][i][2], sums[tap][i][3]));
  }
};

/// Tensor cores: a warp owns groups of 16 output × 8 input channels of its taps, and a range of the columns
/// of a tile. The depth of a product is a column of 8 pixels: lane t stays in rows t and t + 4, where the
/// taps slide as in float32. Band and tile hold numbers rounded to TF32 already, unless each becomes two.
template <class B>
struct ProductOnTensorCores {
  static constexpr WeightGradientTiling t = B::tiling;
  static constexpr int slices = t.tensor_slices();
  static constexpr int threads_of_slice = t.warps_of_slice() * warp_size;

  float sums[array_size(t.taps)][array_size(t.warp_16_out)][array_size(t.warp_8_in)][4] = {};
  int tap_row, in, out, group, depth;

  __device__ explicit ProductOnTensorCores(int thread) : group(thread % warp_size / 4), depth(thread % 4) {
    constexpr int outs = t.channels_out / (16 * t.warp_16_out), ins = t.channels_in / (8 * t.warp_8_in);
    const int warp = thread / warp_size;
    out = warp % outs * 16 * t.warp_16_out;
    in = warp / outs % ins * 8 * t.warp_8_in;
    tap_row = warp / outs / ins;
  }

  __device__ void add(const float* band, const float* gradient, int slice, int first_tap_row) {
    constexpr int step = t.step(), columns = t.tile_width / slices;
    const int row = tap_row_in_band<B>(first_tap_row + tap_row);
    const float* const v = band + row / t.taps_in_row * t.band_pitch() +
                           (row % t.taps_in_row * t.taps + slice * columns * step) * t.channels_in + in +
                           group;
    const float* const v_rows[2] = {v + band_row<B>(depth), v + band_row<B>(depth + 4)};
    const float* const dy =
        gradient + depth * t.gradient_pitch() + slice * columns * t.channels_out + out + group;
    const float* const dy_rows[2] = {dy, dy + 4 * t.gradient_pitch()};
    TensorFactor<B::tf32_products, 2> window[array_size(t.taps)][array_size(t.warp_8_in)];
    // Three products for one are three times the code, of which the compiler would have too much under way.
    [[maybe_unused]] constexpr int unrolled = B::tf32_products == 3 ? 1 : columns;
#pragma unroll unrolled
    for (int x = 0; x < columns; ++x) {
#pragma unroll
      for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
        for (int i = 0; i < t.warp_8_in; ++i)
          if (x > 0 && tap + step < t.taps)
            window[tap][i] = window[tap + step < t.taps ? tap + step : 0][i];
          else
#pragma unroll
            for (int half = 0; half < 2; ++half)
              window[tap][i].set_prepared(half, v_rows[half][(x * step + tap) * t.channels_in + 8 * i]);
#pragma unroll
      for (int o = 0; o < t.warp_16_out; ++o) {
        const int at = x * t.channels_out + 16 * o;
        TensorFactor<B::tf32_products, 4> g;
        g.set_prepared(0, dy_rows[0][at]);
        g.set_prepared(1, dy_rows[0][at + 8]);
        g.set_prepared(2, dy_rows[1][at]);
        g.set_prepared(3, dy_rows[1][at + 8]);
#pragma unroll
        for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
          for (int i = 0; i < t.warp_8_in; ++i) multiply_add(sums[tap][o][i], g, window[tap][i]);
      }
    }
  }

  template <class Body>
  __device__ void for_each(const Body& body) {
#pragma unroll
    for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
      for (int o = 0; o < t.warp_16_out; ++o)
#pragma unroll
        for (int i = 0; i < t.warp_8_in; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j) body(sums[tap][o][i][j]);
  }
  /// With one store a warp writes four rows of eight output channels: four whole sectors of 32 bytes.
  template <class At>
  __device__ void store(const At& at) const {
#pragma unroll
    for (int tap = 0; tap < t.taps; ++tap)
#pragma unroll
      for (int o = 0; o < t.warp_16_out; ++o)
#pragma unroll
        for (int i = 0; i < t.warp_8_in; ++i)
#pragma unroll
          for (int j = 0; j < 4; ++j)
            if (float* const to = at(tap, in + 8 * i + 2 * depth + j % 2, out + 16 * o + j / 2 * 8 + group))
              *to = sums[tap][o][i][j];
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
