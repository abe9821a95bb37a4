// The product of a convolution on the device: a band times weights, both in shared memory, into registers;
// and the walk over chunks and taps that feeds it.
#pragma once

#include <sdepth/kernels/cuda/conv_band.hpp>
#include <sdepth/kernels/cuda/conv_tile.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/tensor_factor.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// The sums of a tile, in float32: a thread has 4 channels of pixels that lie `rows` apart.
///
/// 8 pixels × 4 channels × 4 input channels take 12 loads of 16 bytes for 128 multiplications: a
/// multiprocessor multiplies 4 warps' numbers while it loads one warp's, so loads take the smaller part of
/// the time as long as a load's 8 neighbouring threads meet no bank twice. They do not: they read 8, 4 or 2
/// parts of one row of weights (turned: neighbouring rows) and as many times 1, 2 or 4 neighbouring pixels.
/// @tparam products  on tensor cores: see tf32_products
template <class Plan, int products>
class Product {
  static constexpr ConvTile t = Plan::tile;
  static constexpr int columns = t.channels / quad;
  static constexpr int rows = ConvTile::threads / columns;
  static constexpr int pixels = t.pixels() / rows;
  static_assert(pixels >= 1, "every thread must have a pixel");

 public:
  /// Adds the products of one row of taps. @param band  at the row's first tap   @param taps  of the row
  __device__ void add(const float* band, const float* weights, int taps) {
    const float* from = band + pixel_in_band<Plan>(row());
    const float* with = weights + (t.turned ? column() * t.weight_pitch() : column() * quad);
    // The taps are a loop, which keeps the code of a 7 × 7 kernel as small as that of 3 × 3; a turn of it is
    // 128 to 512 multiplications for each load of a pixel.
#pragma unroll 1
    for (int tap = 0; tap < taps; ++tap, from += t.band_pitch(), with += t.tap_size()) {
#pragma unroll
      for (int k = 0; k < t.depth; k += quad) {
        float4 w[quad];  // turned: of one output channel each, else of one input channel
#pragma unroll
        for (int j = 0; j < quad; ++j)
          w[j] = load_4(with + (t.turned ? j * columns * t.weight_pitch() + k : (k + j) * t.weight_pitch()));
#pragma unroll
        for (int i = 0; i < pixels; ++i) {
          const float4 v = load_4(from + pixel_in_band<Plan>(i * rows) + k);
          if constexpr (t.turned) {
            sums_[i].x = dot(v, w[0], sums_[i].x);
            sums_[i].y = dot(v, w[1], sums_[i].y);
            sums_[i].z = dot(v, w[2], sums_[i].z);
            sums_[i].w = dot(v, w[3], sums_[i].w);
          } else {
            sums_[i] = multiply_add(v.x, w[0], sums_[i]);
            sums_[i] = multiply_add(v.y, w[1], sums_[i]);
            sums_[i] = multiply_add(v.z, w[2], sums_[i]);
            sums_[i] = multiply_add(v.w, w[3], sums_[i]);
          }
        }
      }
    }
  }
  /// Writes the sums as [pixels][result_pitch].
  __device__ void store(float* result) const {
#pragma unroll
    for (int i = 0; i < pixels; ++i) {
      float* const to = result + (row() + i * rows) * t.result_pitch();
      if constexpr (t.turned) {
        to[column()] = sums_[i].x;
        to[column() + columns] = sums_[i].y;
        to[column() + 2 * columns] = sums_[i].z;
        to[column() + 3 * columns] = sums_[i].w;
      } else {
        store_4(to + column() * quad, sums_[i]);
      }
    }
  }

 private:
  [[nodiscard]] __device__ static int column() { return static_cast<int>(threadIdx.x) % columns; }
  [[nodiscard]] __device__ static int row() { return static_cast<int>(threadIdx.x) / columns; }
  [[nodiscard]] __device__ static float dot(const float4& a, const float4& b, float c) {
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, c))));
  }
  float4 sums_[static_cast<unsigned>(pixels)] = {};
};

/// The same on tensor cores: a warp has 16·pixel_blocks pixels × 8·channel_blocks channels. Its operands come
/// from shared memory without bank conflicts, as ConvTile::band_pitch and weight_pitch say. The band has been
/// rounded to TF32 already, weights are here.
template <class Plan, int products>
  requires(products > 0)
class Product<Plan, products> {
  static constexpr ConvTile t = Plan::tile;
  static constexpr int warps = ConvTile::threads / warp_size;
  static constexpr int warps_down = t.pixels() / 16 < warps ? t.pixels() / 16 : warps,
                       warps_across = warps / warps_down;
  static constexpr int pixel_blocks = t.pixels() / 16 / warps_down,
                       channel_blocks = t.channels / 8 / warps_across;
  static_assert(pixel_blocks >= 1 && channel_blocks >= 1, "every warp must have a product");

 public:
  __device__ void add(const float* band, const float* weights, int taps) {
    const float* from = band + pixel_in_band<Plan>(first_pixel()) + pixel_in_band<Plan>(group()) + in_group();
    const float* with = weights + (t.turned ? (first_channel() + group()) * t.weight_pitch() + in_group()
                                            : in_group() * t.weight_pitch() + first_channel() + group());
    constexpr int to_input_channel = t.turned ? 1 : t.weight_pitch(),
                  to_output_channel = t.turned ? t.weight_pitch() : 1;
    // Three products for one are three times the code, of which the compiler would have too much under way.
    [[maybe_unused]] constexpr int unrolled = products == 3 ? 1 : t.depth / 8;
#pragma unroll 1
    for (int tap = 0; tap < taps; ++tap, from += t.band_pitch(), with += t.tap_size()) {
#pragma unroll unrolled
      for (int k = 0; k < t.depth; k += 8) {
        TensorFactor<products, 2> b[static_cast<unsigned>(channel_blocks)];
#pragma unroll
        for (int j = 0; j < channel_blocks; ++j) {
          const float* const w = with + k * to_input_channel + 8 * j * to_output_channel;
          b[j].set(0, w[0]);
          b[j].set(1, w[4 * to_input_channel]);
        }
#pragma unroll
        for (int i = 0; i < pixel_blocks; ++i) {
          const float* const upper = from + pixel_in_band<Plan>(16 * i) + k;
          const float* const lower = upper + pixel_in_band<Plan>(8);
          TensorFactor<products, 4> a;
          a.set_prepared(0, upper[0]);
          a.set_prepared(1, lower[0]);
          a.set_prepared(2, upper[4]);
          a.set_prepared(3, lower[4]);
#pragma unroll
          for (int j = 0; j < channel_blocks; ++j) multiply_add(sums_[i][j], a, b[j]);
        }
      }
    }
  }
  __device__ void store(float* result) const {
#pragma unroll
    for (int i = 0; i < pixel_blocks; ++i)
#pragma unroll
      for (int j = 0; j < channel_blocks; ++j) {
        float* const to = result + (first_pixel() + 16 * i + group()) * t.result_pitch() + first_channel() +
                          8 * j + 2 * in_group();
        to[0] = sums_[i][j][0];
        to[1] = sums_[i][j][1];
        to[8 * t.result_pitch()] = sums_[i][j][2];
        to[8 * t.result_pitch() + 1] = sums_[i][j][3];
      }
  }

 private:
  [[nodiscard]] __device__ static int lane() { return static_cast<int>(threadIdx.x) % warp_size; }
  [[nodiscard]] __device__ static int group() { return lane() / 4; }
  [[nodiscard]] __device__ static int in_group() { return lane() % 4; }
  [[nodiscard]] __device__ static int warp() { return static_cast<int>(threadIdx.x) / warp_size; }
  [[nodiscard]] __device__ static int first_pixel() { return warp() % warps_down * 16 * pixel_blocks; }
  [[nodiscard]] __device__ static int first_channel() { return warp() / warps_down * 8 * channel_blocks; }
  float sums_[static_cast<unsigned>(pixel_blocks)][static_cast<unsigned>(channel_blocks)][4] = {};
};

/// What comes between the first weights and everything else, where a kernel is one stage.
struct LaunchBefore {
  __device__ void operator()() const { wait_for_launch_before(); }
};

/// Computes a tile and leaves it in shared memory, [pixels][result_pitch], for all threads to read.
///
/// A step is a row of taps in a chunk of channels. While its product is computed, the next step's weights are
/// copied, and in a chunk's first step the next chunk's band: what they overwrite was last read in the step
/// before, and all threads have passed one barrier since.
///
/// @param first_channel  of the tile's output channels   @param wait  called by all threads before they touch
///                       anything but weights
template <class Plan, class Operand, class Wait = LaunchBefore>
__device__ inline void convolve(const Operand& from, const Band<Plan>& band, const float* weights,
                                const BandTaps& taps, int first_channel, float* shared,
                                const Wait& wait = {}) {
  constexpr ConvTile t = Plan::tile;
  float* const all_weights = shared + t.bands() * t.band_size();
  const auto begin = [&](int chunk, int row, int buffer) {
    const int k = chunk * t.depth;
    begin_weights<Plan>(weights, taps, row, t.turned ? first_channel : k, t.turned ? k : first_channel,
                        all_weights + buffer * t.weight_size());
  };
  Product<Plan, has_tf32 ? Plan::tf32_products : 0> product;
  const bool any = taps.rows > 0 && taps.columns > 0;
  if (any) begin(0, 0, 0);  // weights are there already
  wait();
  if (any) {
    band.begin(from, 0, shared);
    end_group();
    int step = 0;
#pragma unroll 1
    for (int chunk = 0; chunk < t.chunks; ++chunk) {
      float* const own_band = shared + (chunk % t.bands()) * t.band_size();
      const bool last_chunk = chunk + 1 == t.chunks;
#pragma unroll 1
      for (int row = 0; row < taps.rows; ++row, ++step) {
        if (row == 0)
          band.finish(from, chunk, own_band);
        else
          copies_done();
        __syncthreads();
        if (row == 0 && !last_chunk)
          band.begin(from, chunk + 1, shared + ((chunk + 1) % t.bands()) * t.band_size());
        if (row + 1 < taps.rows)
          begin(chunk, row + 1, (step + 1) % 2);
        else if (!last_chunk)
          begin(chunk + 1, 0, (step + 1) % 2);
        end_group();
        product.add(own_band + row * t.band_width * t.band_pitch(), all_weights + step % 2 * t.weight_size(),
                    taps.columns);
      }
    }
    __syncthreads();  // the tile takes the place of what was read
  }
  product.store(shared);
  __syncthreads();
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
