// Fully connected layers on the device: three products of matrices, by blocks of 16 × 32 numbers.
//
//     forward            out[n, f] = bias[f] + Σ_i in[n, i] · weights[i, f]
//     weight gradient    dw[i, f] = Σ_n in[n, i] · dy[n, f], and the bias's as one more row, of an input that is always 1
//     input gradient     dx[n, i] = Σ_f dy[n, f] · weights[i, f]
//
// The head of a CIFAR network (128 images, 64 inputs, 10 features) is bound by latency: small blocks spread
// it over as many multiprocessors as it has work for, and both gradients are one launch. All extents are
// run-time numbers: one kernel each way serves every layer.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

template <class Stored>
struct LinearOperands {
  int batch = 0;
  int channels = 0;                // of the input
  int inputs = 0;                  // of an image as they lie in memory: pixels · padded(channels)
  int features = 0;                // padded
  const Stored* in = nullptr;      // [batch, inputs]
  const float* weights = nullptr;  // [pixels · channels, features]
  const float* bias = nullptr;     // [features], or null
  Stored* out = nullptr;           // [batch, features]
  const Stored* dy = nullptr;      // [batch, features]
  float* weight_gradient = nullptr;
  float* bias_gradient = nullptr;   // or null
  Stored* dx = nullptr;             // [batch, inputs], or null
  TensorRounding<Stored> rounding;  // of out, or dx

  friend bool operator==(const LinearOperands&, const LinearOperands&) = default;
};

/// One block's part of a product result[m, n] = Σ_k a[m, k]·b[k, n], by 128 threads with 4 neighbouring n
/// each.
///
/// The factors come through shared memory, 32 k at a time, the next 32 on their way while these are used.
/// Rows of a tile are 4 numbers longer than they need to be: the 4 rows of `a` that a warp reads at once, and
/// the 8 columns that it writes of a transposed `b`, lie in different banks then.
enum class LinearProduct { forward, weight_gradient, input_gradient };

struct LinearTile {
  static constexpr int m = 16, n = 32, k = 32, threads = 128;
  static constexpr int pitch = k + 4;    // of rows of k numbers of a, and of rows of n numbers of b
  static constexpr int pitch_m = m + 4;  // of rows of m numbers of a
  static constexpr int a_size = k * pitch_m, size = a_size + k * pitch;
  static constexpr std::size_t bytes = 2 * size * sizeof(float);
  static_assert(n == k && a_size >= m * pitch, "tiles are laid out for rows of k or of m numbers of a");
};

/// Where input p of an image, as it lies in memory, has its weights; below 0: it is padding, and has none.
template <class Stored>
[[nodiscard]] __device__ __forceinline__ int weight_row(const LinearOperands<Stored>& o, int p) {
  const int c = p % padded(o.channels);
  return p < o.inputs && c < o.channels ? p / padded(o.channels) * o.channels + c : -1;
}
[[nodiscard]] __device__ __forceinline__ std::size_t linear_index(int row, int columns, int column) {
  return static_cast<std::size_t>(row) * static_cast<unsigned>(columns) + static_cast<unsigned>(column);
}

/// Begins to copy the tiles at (m, k) and (k, n). What lies outside is zeros.
template <LinearProduct product, class Stored>
__device__ __forceinline__ void fetch_linear(const LinearOperands<Stored>& o, int m, int n, int k, float* a,
                                             float* b) {
  using T = LinearTile;
  const int thread = static_cast<int>(threadIdx.x);
  if constexpr (product == LinearProduct::weight_gradient) {  // a is the transposed input
    const int row = thread / (T::m / quad), column = thread % (T::m / quad) * quad;
    const bool inside = k + row < o.batch && m + column < o.inputs;
    fetch_floats_4(a + row * T::pitch_m + column,
                   inside ? o.in + linear_index(k + row, o.inputs, m + column) : o.in, inside);
  } else {
    constexpr bool forward = product == LinearProduct::forward;
    const Stored* from = forward ? o.in : o.dy;
    const int columns = forward ? o.inputs : o.features;
    const int row = thread / (T::k / quad), column = thread % (T::k / quad) * quad;
    const bool inside = m + row < o.batch && k + column < columns;
    fetch_floats_4(a + row * T::pitch + column,
                   inside ? from + linear_index(m + row, columns, k + column) : from, inside);
  }
  // b is the transposed weights: a warp reads 8 numbers of 4 rows
  if constexpr (product == LinearProduct::input_gradient) {
#pragma unroll
    for (int i = 0; i < T::k * T::n / T::threads; ++i) {
      const int feature = thread % 8 + i % 4 * 8, column = thread / 8 + i / 4 * 16;
      const int row = weight_row(o, n + column);
      const bool inside = row >= 0 && k + feature < o.features;
      copy_1(b + feature * T::pitch + column,
             inside ? o.weights + linear_index(row, o.features, k + feature) : o.weights, inside);
    }
  } else {
#pragma unroll
    for (int i = 0; i < T::k * T::n / (quad * T::threads); ++i) {
      const int row = thread / (T::n / quad) + i * 16, column = thread % (T::n / quad) * quad;
      const int in_memory = product == LinearProduct::forward ? weight_row(o, k + row)
                            : k + row < o.batch               ? k + row
                                                              : -1;
      const bool inside = in_memory >= 0 && n + column < o.features;
      const std::size_t at = inside ? linear_index(in_memory, o.features, n + column) : 0;
      if constexpr (product == LinearProduct::forward)
        copy_4(b + row * T::pitch + column, o.weights + at, inside);
      else
        fetch_floats_4(b + row * T::pitch + column, o.dy + at, inside);
    }
  }
}

/// The block's numbers from (m, n) on, to where they belong.
template <LinearProduct product, class Stored>
__device__ __forceinline__ void linear_product(const LinearOperands<Stored>& o, int m, int n) {
  using T = LinearTile;
  const int depth = product == LinearProduct::forward           ? o.inputs
                    : product == LinearProduct::weight_gradient ? o.batch
                                                                : o.features;
  const int row = static_cast<int>(threadIdx.x) / (T::n / quad),
            column = static_cast<int>(threadIdx.x) % (T::n / quad) * quad;
  const bool bias_row = product == LinearProduct::weight_gradient && m + row == o.inputs;
  float4 result = all_four(0.0F);
  fetch_linear<product>(o, m, n, 0, shared_memory(), shared_memory() + T::a_size);
  end_group();
  for (int k = 0, used = 0; k < depth; k += T::k, used = T::size - used) {
    const float* a = shared_memory() + used;
    const float* b = a + T::a_size + column;
    float* next = shared_memory() + (T::size - used);
    if (k + T::k < depth) fetch_linear<product>(o, m, n, k + T::k, next, next + T::a_size);
    end_group();
    copies_done<1>();
    __syncthreads();
#pragma unroll 2
    for (int i = 0; i < T::k; i += quad) {
      float4 factor;
      if constexpr (product == LinearProduct::weight_gradient) {
        const float* from = a + i * T::pitch_m + row;
        factor = bias_row
                     ? all_four(1.0F)
                     : make_float4(from[0], from[T::pitch_m], from[2 * T::pitch_m], from[3 * T::pitch_m]);
      } else {
        factor = load_4(a + row * T::pitch + i);
      }
      result = multiply_add(factor.x, load_4(b + i * T::pitch), result);
      result = multiply_add(factor.y, load_4(b + (i + 1) * T::pitch), result);
      result = multiply_add(factor.z, load_4(b + (i + 2) * T::pitch), result);
      result = multiply_add(factor.w, load_4(b + (i + 3) * T::pitch), result);
    }
    __syncthreads();  // before the tiles are overwritten
  }
  const int i = m + row, j = n + column;
  if constexpr (product == LinearProduct::forward) {
    if (i >= o.batch || j >= o.features) return;
    if (o.bias) result = sum(result, load_4(o.bias + j));
    store_4(o.out + linear_index(i, o.features, j),
            o.rounding.round_4(result, o.features, static_cast<unsigned>(i), j));
  } else if constexpr (product == LinearProduct::weight_gradient) {
    if (j >= o.features) return;
    if (const int to = weight_row(o, i); to >= 0)
      store_4(o.weight_gradient + linear_index(to, o.features, j), result);
    if (bias_row && o.bias_gradient) store_4(o.bias_gradient + j, result);
  } else {
    if (i >= o.batch || j >= o.inputs) return;
    const int channels = padded(o.channels), pixel = i * (o.inputs / channels) + j / channels;
    store_4(o.dx + linear_index(i, o.inputs, j),
            o.rounding.round_4(result, channels, static_cast<unsigned>(pixel), j % channels));
  }
}

[[nodiscard]] __host__ __device__ constexpr unsigned linear_tiles(int numbers, int tile) noexcept {
  return static_cast<unsigned>((numbers + tile - 1) / tile);
}
/// Blocks of the weight gradient: they come first in a backward launch.
template <class Stored>
[[nodiscard]] __host__ __device__ constexpr unsigned weight_gradient_tiles(
    const LinearOperands<Stored>& o) noexcept {
  return linear_tiles(o.inputs + (o.bias_gradient ? 1 : 0), LinearTile::m) *
         linear_tiles(o.features, LinearTile::n);
}

template <LinearProduct product, class Stored>
__device__ __forceinline__ void linear_product_of(const LinearOperands<Stored>& o, unsigned block,
                                                  int columns) {
  const unsigned across = linear_tiles(columns, LinearTile::n);
  linear_product<product>(o, static_cast<int>(block / across) * LinearTile::m,
                          static_cast<int>(block % across) * LinearTile::n);
}
template <bool backward, class Stored>
__global__ void __launch_bounds__(LinearTile::threads, 4) linear_kernel(const LinearOperands<Stored> o) {
  begin_behind_launch_before();
  const unsigned first = backward ? weight_gradient_tiles(o) : 0;
  if constexpr (!backward)
    linear_product_of<LinearProduct::forward>(o, blockIdx.x, o.features);
  else if (blockIdx.x < first)
    linear_product_of<LinearProduct::weight_gradient>(o, blockIdx.x, o.features);
  else
    linear_product_of<LinearProduct::input_gradient>(o, blockIdx.x - first, o.inputs);
}

/// out [N, padded(features)] from in [N, H, W, padded(C)] and weights [H·W·C, padded(features)]; bias
/// [padded(features)] or null.
template <LinearShape S, class Stored>
void linear_forward(Context& context, int batch, const Stored* in, const float* weights, const float* bias,
                    Stored* out) {
  const LinearOperands<Stored> o{.batch = batch,
                                 .channels = S.in.channels,
                                 .inputs = static_cast<int>(S.in.pixels()) * padded(S.in.channels),
                                 .features = padded(S.features),
                                 .in = in,
                                 .weights = weights,
                                 .bias = bias,
                                 .out = out,
                                 .rounding = context.next_rounding<Stored>()};
  context.launch(StageName{"linear_forward", S.in, S.out(), batch}, linear_kernel<false, Stored>,
                 Grid{.x = linear_tiles(batch, LinearTile::m) * linear_tiles(o.features, LinearTile::n),
                      .threads = LinearTile::threads,
                      .shared_bytes = LinearTile::bytes},
                 o);
}
/// bias_gradient and dx may be null. dx may not be in.
template <LinearShape S, class Stored>
void linear_backward(Context& context, int batch, const Stored* dy, const Stored* in, const float* weights,
                     float* weight_gradient, float* bias_gradient, std::type_identity_t<Stored>* dx) {
  const LinearOperands<Stored> o{.batch = batch,
                                 .channels = S.in.channels,
                                 .inputs = static_cast<int>(S.in.pixels()) * padded(S.in.channels),
                                 .features = padded(S.features),
                                 .in = in,
                                 .weights = weights,
                                 .dy = dy,
                                 .weight_gradient = weight_gradient,
                                 .bias_gradient = bias_gradient,
                                 .dx = dx,
                                 .rounding = context.next_rounding<Stored>()};
  const unsigned for_dx = dx ? linear_tiles(batch, LinearTile::m) * linear_tiles(o.inputs, LinearTile::n) : 0;
  context.launch(StageName{"linear_backward", S.in, S.out(), batch}, linear_kernel<true, Stored>,
                 Grid{.x = weight_gradient_tiles(o) + for_dx,
                      .threads = LinearTile::threads,
                      .shared_bytes = LinearTile::bytes},
                 o);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
