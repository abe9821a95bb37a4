// The gradient of a convolution's weights and bias.
//
// Each block computes its sums over a fixed part of the images and leaves them in scratch memory; a second kernel adds the parts in a fixed order. How many parts
// there are follows from shape and batch (weight_gradient_tiling.hpp), so the result has the same bits on every device and every time.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#include <sdepth/kernels/cuda/conv_band.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>
#include <sdepth/kernels/cuda/precision.hpp>
#include <sdepth/kernels/cuda/space.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/cuda/weight_gradient_product.hpp>
#include <sdepth/kernels/cuda/weight_gradient_tiling.hpp>

namespace sdepth::cuda {

struct WeightGradientOperands {
  Reading source;            // v; where it has been stored, that array alone
  GradientReading gradient;  // dy
  int batch = 0;
  int tiles = 0;
  int tiles_of_part = 0;
  bool bias = false;
  // Part i lies i · part_size numbers further on: [k, k, C_in, C_out'], then [C_out'].
  std::size_t part_size = 0;
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;
};

/// A block's view of the work: four numbers of the band, or of the tile of dy, belong to a thread from the copy to shared memory on until the pass that makes
/// v or the gradient of them, so that between these two nobody has to wait for anybody.
template <class B>
struct WeightGradientLoader {
  static constexpr WeightGradientTiling t = B::tiling;
  static constexpr Shape in = t.shape.in, out = t.shape.out();
  static constexpr int pitch_in = t.shape.network_input ? in.channels : padded(in.channels), pitch_out = padded(out.channels);
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

  const WeightGradientOperands& o;
  int first_in, first_out;  // channels of the block
  float* band;              // v as the products read it
  float* gradient;          // dy as the products read it
  float* raw_x;
  float* raw_dy;
  float* raw_gradient_x;         // where the gradient has a norm
  float* raw_shortcut;           // where the source has one
  float4 bias = all_four(0.0F);  // Σ dy of this thread's channels

  __device__ WeightGradientLoader(const WeightGradientOperands& operands, int first_channel_in, int first_channel_out, float* shared)
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
    return {tile / across / down * t.tile_images, tile / across % down * t.tile_height, tile % across * t.tile_width};
  }

  // Chunk numbers are taken apart as unsigned ones, where a division by a power of 2 is one shift.

  /// Chunk i of the band under a tile. Channels are the fastest, so that neighbouring threads read neighbouring addresses.
  [[nodiscard]] __device__ Place band_place(const Corner& tile, int i) const {
    constexpr unsigned of_pixel = t.channels_in / chunk, width = t.band_width(), height = t.band_height();
    const unsigned number = static_cast<unsigned>(i), pixel = number / of_pixel;
    const int c = static_cast<int>(number % of_pixel) * chunk, column = static_cast<int>(pixel % width);
    const int row = static_cast<int>(pixel / width % height), n = static_cast<int>(pixel / (width * height));
    const int image = tile.image + n, y = tile.row * t.shape.stride - t.shape.padding + row * t.spacing();
    const int x = tile.column * t.shape.stride - t.shape.padding + column * t.spacing();
    const bool inside = image < o.batch && 0 <= y && y < in.height && 0 <= x && x < in.width && first_in + c < in.channels;
    const int ready = (n * t.band_height() + row) * t.band_pitch() + column * t.channels_in + c;
    const int at = (y * in.width + x) * pitch_in + first_in + c;
    return {inside, first_in + c, ready, inside ? static_cast<std::size_t>(image) * image_in + static_cast<std::size_t>(at) : 0};
  }
  /// Chunk i of the tile of dy.
  [[nodiscard]] __device__ Place gradient_place(const Corner& tile, int i) const {
    constexpr unsigned of_pixel = t.channels_out / quad, width = t.tile_width, height = t.tile_height;
    const unsigned number = static_cast<unsigned>(i), pixel = number / of_pixel, tile_row = pixel / width;
    const int c = static_cast<int>(number % of_pixel) * quad, column = static_cast<int>(pixel % width),
              n = static_cast<int>(tile_row / height);
    const int image = tile.image + n, y = tile.row + static_cast<int>(tile_row % height), x = tile.column + column;
    const bool inside = n < t.tile_images && image < o.batch && y < out.height && x < out.width && first_out + c < out.channels;
    const int ready = static_cast<int>(tile_row) * t.gradient_pitch() + column * t.channels_out + c;
    const int at = (y * out.width + x) * pitch_out + first_out + c;
    return {inside, first_out + c, ready, inside ? static_cast<std::size_t>(image) * image_out + static_cast<std::size_t>(at) : 0};
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
      copy_4(raw_dy + quad * i, o.gradient.dy + place.at, place.inside);
      if (o.gradient.scale) copy_4(raw_gradient_x + quad * i, o.gradient.x + place.at, place.inside);
    }
    end_group();
  }
  __device__ static void copy(float* to, const float* from, bool inside) {
    if constexpr (chunk == quad)
      copy_4(to, from, inside);
    else
      copy_1(to, from, inside);
  }

  /// Makes v and the gradient of what this thread has copied. With whole groups of 4 channels its chunks have all the same ones.
  __device__ void make_ready(const Corner& tile) {
    if constexpr (chunk == quad)
      make_band_of_groups(tile);
    else
      make_band_of_numbers(tile);
    make_gradient(tile);
  }

  __device__ void make_band_of_groups(const Corner& tile) const {
    static_assert(threads % (t.channels_in / quad) == 0, "the chunks of a thread must have the same channels");
    const int thread = static_cast<int>(threadIdx.x), c = first_in + thread % (t.channels_in / quad) * quad;
    const auto value_of = pending(o.source, c < in.channels ? c : 0);
    copies_done();
    for (int i = thread; i < t.band_chunks(); i += threads) {
      const Place place = band_place(tile, i);
      const float4 v = value_of(load_4(raw_x + quad * i), o.source.shortcut ? load_4(raw_shortcut + quad * i) : all_four(0.0F));
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
      const float v = !place.inside ? 0.0F : is_plain ? raw_x[i] : value(o.source, place.at, place.channel);
      band[place.ready] = factor(v);
    }
  }
  __device__ void make_gradient(const Corner& tile) {
    static_assert(threads % (t.channels_out / quad) == 0, "the chunks of a thread must have the same channels");
    const int thread = static_cast<int>(threadIdx.x), c = first_out + thread % (t.channels_out / quad) * quad;
    const auto gradient_of = pending(o.gradient, c < out.channels ? c : 0);
    for (int i = thread; i < t.gradient_chunks(); i += threads) {
      const Place place = gradient_place(tile, i);
      const float4 g = gradient_of(load_4(raw_dy + quad * i), o.gradient.scale ? load_4(raw_gradient_x + quad * i) : all_four(0.0F));
      const float4 dy = only_channels(g, c, place.inside ? out.channels : 0);
      bias = sum(bias, dy);
      store_4(gradient + place.ready, each([](float x) { return factor(x); }, dy));
    }
  }
  /// x as the products read it.
  [[nodiscard]] __device__ static float factor(float x) {
    constexpr bool tf32 = t.tensor_cores && has_tf32;
    return as_factor<tf32>(x);
  }
};

/// Part blockIdx.x of the sums of block blockIdx.y.
template <int channels_in, int height, int width, int channels_out, int kernel, int stride, int padding, bool network_input,
          bool tensor_cores>
struct WeightGradientBlock {
  static constexpr WeightGradientTiling tiling =
      weight_gradient_tiling({{channels_in, height, width}, channels_out, kernel, stride, padding, false, network_input}, tensor_cores);
  static_assert(tiling.shared_size(true, true) <= WeightGradientTiling::most_shared,
                "conv_weight_gradient: no tile of this kernel and stride fits into 64 KiB of shared memory; use a smaller kernel");
  /// Before compute capability 8.0 the shared memory of a multiprocessor is enough for one block.
  static constexpr int resident = has_tf32 ? tiling.resident() : 1;
};

template <int channels_in, int height, int width, int channels_out, int kernel, int stride, int padding, bool network_input,
          bool tensor_cores>
__global__ void __launch_bounds__(
    WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding, network_input, tensor_cores>::tiling.threads(),
    WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding, network_input, tensor_cores>::resident)
    weight_gradient_parts(const WeightGradientOperands operands) {
  using B = WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding, network_input, tensor_cores>;
  using Product = std::conditional_t<tensor_cores && has_tf32, ProductOnTensorCores<B>, ProductInFloat32<B>>;
  constexpr WeightGradientTiling t = B::tiling;
  float* const shared = shared_memory();
  const int block = static_cast<int>(blockIdx.y), part = static_cast<int>(blockIdx.x), thread = static_cast<int>(threadIdx.x);
  const int first_out = block % t.parts_out * t.channels_out, first_in = block / t.parts_out % t.parts_in * t.channels_in;
  const int first_tap_row = block / t.parts_out / t.parts_in * t.block_tap_rows;
  const int slice = thread / Product::threads_of_slice, thread_of_slice = thread % Product::threads_of_slice;

  WeightGradientLoader<B> loader(operands, first_in, first_out, shared);
  Product product(thread_of_slice);
  const int first = part * operands.tiles_of_part, after = first + operands.tiles_of_part;
  const int last = after < operands.tiles ? after : operands.tiles;
  auto corner = loader.corner(first);
  loader.fetch(corner);
  for (int tile = first; tile < last; ++tile) {
    loader.make_ready(corner);
    __syncthreads();
    corner = loader.corner(tile + 1);
    if (tile + 1 < last) loader.fetch(corner);  // in the background, while this tile is multiplied
    product.add(loader.band, loader.gradient, slice, first_tap_row);
    __syncthreads();
  }

  // The first slice adds what the others have, one after the other.
  if constexpr (Product::slices > 1) {
    if (slice > 0) {
      float* to = shared + (slice - 1) * t.block_size() + thread_of_slice;
      product.for_each([&](float& sum) { *to = sum, to += Product::threads_of_slice; });
    }
    __syncthreads();
    for (int other = 1; slice == 0 && other < Product::slices; ++other) {
      const float* from = shared + (other - 1) * t.block_size() + thread_of_slice;
      product.for_each([&](float& sum) { sum += *from, from += Product::threads_of_slice; });
    }
  }
  constexpr int pitch = padded(channels_out);
  if (slice == 0) {
    float* const weights = operands.weight_gradient + static_cast<std::size_t>(part) * operands.part_size;
    const int row = first_tap_row + product.tap_row, kernel_row = row / t.taps_in_row, first_tap = row % t.taps_in_row * t.taps;
    product.store([&](int tap, int in, int out) -> float* {
      if (product.tap_row >= t.block_tap_rows || kernel_row >= kernel || first_tap + tap >= kernel || first_in + in >= channels_in ||
          first_out + out >= pitch)
        return nullptr;
      return weights + ((kernel_row * kernel + first_tap + tap) * channels_in + first_in + in) * pitch + first_out + out;
    });
  }

  // The bias gradient: a thread has summed its 4 channels while it made the gradient ready.
  if (operands.bias && first_in == 0 && first_tap_row == 0) {
    constexpr int groups = t.channels_out / quad;
    __syncthreads();
    store_4(shared + quad * thread, loader.bias);
    __syncthreads();
    if (thread < t.channels_out && first_out + thread < pitch) {
      float sum = 0.0F;
      for (int i = thread / quad; i < t.threads(); i += groups) sum += shared[quad * i + thread % quad];
      operands.bias_gradient[static_cast<std::size_t>(part) * operands.part_size + static_cast<std::size_t>(first_out + thread)] = sum;
    }
  }
}

struct WeightGradientParts {
  int parts = 0;
  int numbers = 0;  // of a part: weights, then bias
  int weights = 0;
  const float* from = nullptr;  // [parts][numbers]
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;
};

/// Adds the parts. 32 numbers of a part are one load of a warp; `warps` warps of a block take parts in turn, in double, and the first joins them.
template <int warps>
__global__ void __launch_bounds__(warps * 32) weight_gradient_join(const WeightGradientParts operands) {
  double* const sums = reinterpret_cast<double*>(shared_memory());  // [warps][32]
  const int thread = static_cast<int>(threadIdx.x), lane = thread % warp_size, warp = thread / warp_size;
  const int i = static_cast<int>(blockIdx.x) * warp_size + lane;
  double sum = 0;
  if (i < operands.numbers) {
    const float* const from = operands.from + i;
#pragma unroll 8
    for (int part = warp; part < operands.parts; part += warps)
      sum += static_cast<double>(from[static_cast<std::size_t>(part) * static_cast<std::size_t>(operands.numbers)]);
  }
  sums[thread] = sum;
  __syncthreads();
  if (warp > 0 || i >= operands.numbers) return;
  for (int other = 1; other < warps; ++other) sum += sums[other * warp_size + lane];
  float* const to = i < operands.weights ? operands.weight_gradient + i : operands.bias_gradient + (i - operands.weights);
  *to = static_cast<float>(sum);
}

/// dW[tap, ci, co] = Σ v[n, pixel·stride + tap − padding, ci] · dy[n, pixel, co] and db[co] = Σ dy[n, pixel, co].
///
/// Largest error against sums in double, relative to the largest number of dW: 1e-6 in float32, 1e-3 in TF32; db is summed in float32 by both.
/// @param weight_gradient [k, k, C_in, C_out']   @param bias_gradient [C_out'], or null
template <ConvShape S, Precision P>
void conv_weight_gradient(Space& space, int batch, const Gradient<float>& gradient, const Source<float>& source, float* weight_gradient,
                          float* bias_gradient) {
  constexpr bool tensor_cores = P == Precision::tf32;
  constexpr WeightGradientTiling t = weight_gradient_tiling(S, tensor_cores);
  constexpr int weights = S.kernel * S.kernel * S.in.channels * padded(S.channels_out);
  WeightGradientOperands operands{Reading(source), GradientReading(gradient), batch};
  if (source.finished) {
    operands.source = {};
    operands.source.x = source.finished;
  }
  const int parts = t.parts(batch), numbers = weights + (bias_gradient ? padded(S.channels_out) : 0);
  operands.tiles = t.tiles(batch);
  operands.tiles_of_part = t.tiles_of_part(batch);
  operands.bias = bias_gradient != nullptr;
  operands.weight_gradient = weight_gradient;
  operands.bias_gradient = bias_gradient;
  if (parts > 1) {
    operands.part_size = static_cast<std::size_t>(numbers);
    operands.weight_gradient = space.scratch(static_cast<std::size_t>(parts) * operands.part_size);
    operands.bias_gradient = operands.weight_gradient + weights;
  }
  const StageName stage{"conv_weight_gradient", S.in, S.out(), batch};
  const int shared = t.shared_size(operands.gradient.scale != nullptr, operands.source.shortcut != nullptr);
  space.launch(stage,
               weight_gradient_parts<S.in.channels, S.in.height, S.in.width, S.channels_out, S.kernel, S.stride, S.padding, S.network_input,
                                     tensor_cores>,
               Grid{static_cast<unsigned>(parts), static_cast<unsigned>(t.blocks()), 1, static_cast<unsigned>(t.threads()),
                    static_cast<std::size_t>(shared) * sizeof(float)},
               operands);
  if (parts == 1) return;
  const WeightGradientParts join{parts, numbers, weights, operands.weight_gradient, weight_gradient, bias_gradient};
  const auto launch = [&]<int warps>(std::integral_constant<int, warps>) {
    space.launch(stage, weight_gradient_join<warps>,
                 Grid{static_cast<unsigned>((numbers + warp_size - 1) / warp_size), 1, 1, static_cast<unsigned>(warps * warp_size),
                      static_cast<std::size_t>(warps * warp_size) * sizeof(double)},
                 join);
  };
  // With many parts a thread would wait for too many loads in a row.
  if (parts > 32)
    launch(std::integral_constant<int, 8>{});
  else
    launch(std::integral_constant<int, 2>{});
}

}  // namespace sdepth::cuda
