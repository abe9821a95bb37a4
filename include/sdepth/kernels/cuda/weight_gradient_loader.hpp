// How what a weight gradient multiplies comes into shared memory: a tile of dy and the band of v under it,
// with what is pending on both applied on the way.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/kernels/cuda/conv_band.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/cuda/weight_gradient_join.hpp>
#include <sdepth/kernels/cuda/weight_gradient_tiling.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

template <class Stored>
struct WeightGradientOperands {
  Reading<Stored> source;            // v; where it has been stored, that array alone
  GradientReading<Stored> gradient;  // dy
  int batch = 0;
  int tiles = 0;
  int tiles_of_part = 0;
  bool bias = false;
  WeightGradientParts parts{};

  friend bool operator==(const WeightGradientOperands&, const WeightGradientOperands&) = default;
};

/// A block's view of the work: four numbers of the band, or of the tile of dy, belong to a thread from the
/// copy to shared memory on until the pass that makes v or the gradient of them, so that between these two
/// nobody has to wait for anybody. A is the Source's activation.
template <class B, class A, class Stored>
struct WeightGradientLoader {
  static constexpr WeightGradientTiling t = B::tiling;
  static constexpr Shape in = t.shape.in, out = t.shape.out();
  static constexpr int pitch_in = t.shape.network_input ? in.channels : padded(in.channels),
                       pitch_out = padded(out.channels);
  static constexpr std::size_t image_in = in.pixels() * pitch_in, image_out = out.pixels() * pitch_out;
  static constexpr int threads = t.threads();
  static constexpr int chunk = t.band_chunk();

  /// Some numbers of a tensor: where they lie, and where they go.
  struct Place {
    bool inside = false;
    int channel = 0;
    int ready = 0;
    std::size_t at = 0;
  };

  const WeightGradientOperands<Stored>& o;
  int first_in, first_out;  // channels of the block
  float* band;              // v as the products read it
  float* gradient;          // dy as the products read it
  float* raw_x;
  float* raw_dy;
  float* raw_gradient_x;         // where the gradient has a norm
  float* raw_shortcut;           // where the source has one
  float4 bias = all_four(0.0F);  // Σ dy of this thread's channels

  __device__ WeightGradientLoader(const WeightGradientOperands<Stored>& operands, int first_channel_in,
                                  int first_channel_out, float* shared)
      : o(operands),
        first_in(first_channel_in),
        first_out(first_channel_out),
        band(shared),
        gradient(band + t.band_size()),
        raw_x(gradient + t.gradient_size()),
        raw_dy(raw_x + t.raw_band_size()),
        raw_gradient_x(raw_dy + t.raw_gradient_size()),
        raw_shortcut(raw_gradient_x + (o.gradient.scale ? t.raw_gradient_size() : 0)) {}

  /// Where a tile begins: its first image, and in this the first output pixel.
  struct Corner {
    int image, row, column;
  };
  [[nodiscard]] __device__ static Corner corner(int tile) {
    constexpr int across = t.tiles_across(), down = t.tiles_down();
    return {tile / across / down * t.tile_images, tile / across % down * t.tile_height,
            tile % across * t.tile_width};
  }

  // Chunk numbers are taken apart as unsigned ones, where a division by a power of 2 is one shift.

  /// Chunk i of the band under a tile. Channels are the fastest, so that neighbouring threads read
  /// neighbouring addresses.
  [[nodiscard]] __device__ Place band_place(const Corner& tile, int i) const {
    constexpr unsigned of_pixel = t.channels_in / chunk, width = t.band_width(), height = t.band_height();
    const unsigned number = static_cast<unsigned>(i), pixel = number / of_pixel;
    const int c = static_cast<int>(number % of_pixel) * chunk, column = static_cast<int>(pixel % width);
    const int row = static_cast<int>(pixel / width % height), n = static_cast<int>(pixel / (width * height));
    const int image = tile.image + n, y = tile.row * t.shape.stride - t.shape.padding + row * t.spacing();
    const int x = tile.column * t.shape.stride - t.shape.padding + column * t.spacing();
    const bool inside =
        image < o.batch && 0 <= y && y < in.height && 0 <= x && x < in.width && first_in + c < in.channels;
    const int ready = (n * t.band_height() + row) * t.band_pitch() + column * t.channels_in + c;
    const int at = (y * in.width + x) * pitch_in + first_in + c;
    return {inside, first_in + c, ready,
            inside ? static_cast<std::size_t>(image) * image_in + static_cast<std::size_t>(at) : 0};
  }
  /// Chunk i of the tile of dy.
  [[nodiscard]] __device__ Place gradient_place(const Corner& tile, int i) const {
    constexpr unsigned of_pixel = t.channels_out / quad, width = t.tile_width, height = t.tile_height;
    const unsigned number = static_cast<unsigned>(i), pixel = number / of_pixel, tile_row = pixel / width;
    const int c = static_cast<int>(number % of_pixel) * quad, column = static_cast<int>(pixel % width),
              n = static_cast<int>(tile_row / height);
    const int image = tile.image + n, y = tile.row + static_cast<int>(tile_row % height),
              x = tile.column + column;
    const bool inside = n < t.tile_images && image < o.batch && y < out.height && x < out.width &&
                        first_out + c < out.channels;
    const int ready = static_cast<int>(tile_row) * t.gradient_pitch() + column * t.channels_out + c;
    const int at = (y * out.width + x) * pitch_out + first_out + c;
    return {inside, first_out + c, ready,
            inside ? static_cast<std::size_t>(image) * image_out + static_cast<std::size_t>(at) : 0};
  }

  /// Begins to copy what a tile needs.
  __device__ void fetch(const Corner& tile) const {
    const int thread = static_cast<int>(threadIdx.x);
    for (int i = thread; i < t.band_chunks(); i += threads) {
      const Place place = band_place(tile, i);
      copy(raw_x + i * chunk, o.source.x + place.at, place.inside);
      if (o.source.shortcut) copy(raw_shortcut + i * chunk, o.source.shortcut + place.at, place.inside);
    }
    for (int i = thread; i < t.gradient_chunks(); i += threads) {
      const Place place = gradient_place(tile, i);
      fetch_4(raw_dy + quad * i, o.gradient.dy + place.at, place.inside);
      if (o.gradient.scale) fetch_4(raw_gradient_x + quad * i, o.gradient.x + place.at, place.inside);
    }
    end_group();
  }
  __device__ static void copy(float* to, const Stored* from, bool inside) {
    if constexpr (chunk == quad)
      fetch_4(to, from, inside);
    else
      fetch_float(to, from, inside);
  }

  /// Makes v and the gradient of what this thread has copied. With whole groups of 4 channels its chunks have
  /// all the same ones.
  __device__ void make_ready(const Corner& tile) {
    if constexpr (chunk == quad)
      make_band_of_groups(tile);
    else
      make_band_of_numbers(tile);
    make_gradient(tile);
  }

  __device__ void make_band_of_groups(const Corner& tile) const {
    static_assert(threads % (t.channels_in / quad) == 0,
                  "the chunks of a thread must have the same channels");
    const int thread = static_cast<int>(threadIdx.x), c = first_in + thread % (t.channels_in / quad) * quad;
    const auto value_of = pending<A>(o.source, c < in.channels ? c : 0);
    copies_done();
    for (int i = thread; i < t.band_chunks(); i += threads) {
      const Place place = band_place(tile, i);
      const float4 v =
          value_of(arrived_4<Stored>(raw_x + quad * i),
                   o.source.shortcut ? arrived_4<Stored>(raw_shortcut + quad * i) : all_four(0.0F));
      store_4(band + place.ready, place.inside ? each([](float x) { return factor(x); }, v) : all_four(0.0F));
    }
  }
  /// The network's own input, whose pixels are C_in numbers.
  __device__ void make_band_of_numbers(const Corner& tile) const {
    const bool is_plain = plain(o.source);
    copies_done();
    for (int i = static_cast<int>(threadIdx.x); i < t.band_chunks(); i += threads) {
      const Place place = band_place(tile, i);
      // Rarely is anything pending on it: the one number is read again.
      const float v = !place.inside ? 0.0F
                      : is_plain    ? raw_x[i]
                                    : value<A>(o.source, place.at, place.channel);
      band[place.ready] = factor(v);
    }
  }
  __device__ void make_gradient(const Corner& tile) {
    static_assert(threads % (t.channels_out / quad) == 0,
                  "the chunks of a thread must have the same channels");
    const int thread = static_cast<int>(threadIdx.x), c = first_out + thread % (t.channels_out / quad) * quad;
    const auto gradient_of = pending<A>(o.gradient, c < out.channels ? c : 0);
    for (int i = thread; i < t.gradient_chunks(); i += threads) {
      const Place place = gradient_place(tile, i);
      const float4 g =
          gradient_of(arrived_4<Stored>(raw_dy + quad * i),
                      o.gradient.scale ? arrived_4<Stored>(raw_gradient_x + quad * i) : all_four(0.0F));
      const float4 dy = only_channels(g, c, place.inside ? out.channels : 0);
      bias = sum(bias, dy);
      store_4(gradient + place.ready, each([](float x) { return factor(x); }, dy));
    }
  }
  /// x as the products read it.
  [[nodiscard]] __device__ static float factor(float x) {
    constexpr bool rounds = B::tf32_products == 1 && has_tf32;
    return as_factor<rounds>(x);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
