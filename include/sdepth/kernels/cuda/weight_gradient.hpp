// The gradient of a convolution's weights and bias.
//
// Each block computes its sums over a fixed part of the images and leaves them in scratch memory; of each
// group of parts the block that comes last adds the group, and of the groups the last makes the result. How
// many parts there are follows from shape and batch (weight_gradient_tiling.hpp), and who adds never changes
// what is added and in which order, so the result has the same bits on every device and every time.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <type_traits>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/cuda/channel_sums.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>
#include <sdepth/kernels/cuda/precision.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/cuda/weight_gradient_join.hpp>
#include <sdepth/kernels/cuda/weight_gradient_loader.hpp>
#include <sdepth/kernels/cuda/weight_gradient_product.hpp>
#include <sdepth/kernels/cuda/weight_gradient_tiling.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// What the compiler knows of a kernel: the pieces of its shape.
template <int channels_in, int height, int width, int channels_out, int kernel, int stride, int padding,
          bool network_input, int products>
struct WeightGradientBlock {
  static constexpr WeightGradientTiling tiling = weight_gradient_tiling(
      {{channels_in, height, width}, channels_out, kernel, stride, padding, false, network_input},
      products > 0);
  static_assert(
      tiling.shared_size(true, true) <= WeightGradientTiling::most_shared,
      "conv_weight_gradient: no tile of this kernel and stride fits into 64 KiB of shared memory; use a smaller kernel");
  static constexpr int tf32_products = products;
  /// Before compute capability 8.0 the shared memory of a multiprocessor is enough for one block.
  static constexpr int resident = has_tf32 ? tiling.resident() : 1;
};

/// Part blockIdx.x of the sums of block blockIdx.y.
template <int channels_in, int height, int width, int channels_out, int kernel, int stride, int padding,
          bool network_input, int products, class A, class Stored>
__global__ void __launch_bounds__(
    WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding, network_input,
                        products>::tiling.threads(),
    WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding, network_input,
                        products>::resident)
    weight_gradient_kernel(const WeightGradientOperands<Stored> operands) {
  begin_behind_launch_before();
  using B = WeightGradientBlock<channels_in, height, width, channels_out, kernel, stride, padding,
                                network_input, products>;
  using Product =
      std::conditional_t<(products > 0) && has_tf32, ProductOnTensorCores<B>, ProductInFloat32<B>>;
  constexpr WeightGradientTiling t = B::tiling;
  float* const shared = shared_memory();
  const int block = static_cast<int>(blockIdx.y), part = static_cast<int>(blockIdx.x),
            thread = static_cast<int>(threadIdx.x);
  const int first_out = block % t.parts_out * t.channels_out,
            first_in = block / t.parts_out % t.parts_in * t.channels_in;
  const int first_tap_row = block / t.parts_out / t.parts_in * t.block_tap_rows;
  const int slice = thread / Product::threads_of_slice, thread_of_slice = thread % Product::threads_of_slice;

  WeightGradientLoader<B, A, Stored> loader(operands, first_in, first_out, shared);
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
    float* const weights = operands.parts.of(part);
    const int row = first_tap_row + product.tap_row, kernel_row = row / t.taps_in_row,
              first_tap = row % t.taps_in_row * t.taps;
    product.store([&](int tap, int in, int out) -> float* {
      if (kernel_row >= kernel || first_tap + tap >= kernel || first_in + in >= channels_in ||
          first_out + out >= pitch)
        return nullptr;
      return weights + ((kernel_row * kernel + first_tap + tap) * channels_in + first_in + in) * pitch +
             first_out + out;
    });
  }

  // The bias gradient: a thread has summed its 4 channels while it made the gradient ready.
  if (operands.bias && first_in == 0 && first_tap_row == 0) {
    constexpr int groups = t.channels_out / quad;
    static_assert(t.threads() >= t.channels_out, "the bias gradient needs a thread for each channel");
    __syncthreads();
    store_4(shared + quad * thread, loader.bias);
    __syncthreads();
    if (thread < t.channels_out && first_out + thread < pitch) {
      float sum = 0.0F;
      for (int i = thread / quad; i < t.threads(); i += groups) sum += shared[quad * i + thread % quad];
      operands.parts.bias_of(part)[first_out + thread] = sum;
    }
  }
  if (operands.parts.count > 1) join_weight_gradients<B>(operands.parts, block, part, operands.bias, shared);
}

/// dW[tap, ci, co] = Σ v[n, pixel·stride + tap − padding, ci] · dy[n, pixel, co] and db[co] = Σ dy[n, pixel,
/// co].
///
/// Largest error against sums in double, relative to the largest number of dW: 1e-6 in float32, 1e-3 in TF32,
/// 3e-6 with three products of TF32; db is summed in float32 by both.
/// @param weight_gradient [k, k, C_in, C_out']   @param bias_gradient [C_out'], or null
template <ConvShape S, Precision P, class A = ReLU, class Stored>
void conv_weight_gradient(Context& context, int batch, const Gradient<float, Stored>& gradient,
                          const Source<float, Stored>& source, float* weight_gradient, float* bias_gradient) {
  constexpr WeightGradientTiling t = weight_gradient_tiling(S, tf32_products(P) > 0);
  constexpr int weights = S.kernel * S.kernel * S.in.channels * padded(S.channels_out);
  WeightGradientOperands<Stored> operands{Reading<Stored>(source), GradientReading<Stored>(gradient), batch};
  if (source.finished) {
    operands.source = {};
    operands.source.x = source.finished;
  }
  operands.tiles = t.tiles(batch);
  operands.tiles_of_part = t.tiles_of_part(batch);
  operands.bias = bias_gradient != nullptr;
  operands.parts =
      weight_gradient_parts_in(context.aside(), t.parts(batch), t.blocks(), weights,
                               bias_gradient ? padded(S.channels_out) : 0, weight_gradient, bias_gradient);
  const int shared = t.shared_size(operands.gradient.scale != nullptr, operands.source.shortcut != nullptr);
  context.launch(StageName{"conv_weight_gradient", S.in, S.out(), batch},
                 weight_gradient_kernel<S.in.channels, S.in.height, S.in.width, S.channels_out, S.kernel,
                                        S.stride, S.padding, S.network_input, tf32_products(P), A, Stored>,
                 Grid{static_cast<unsigned>(operands.parts.count), static_cast<unsigned>(t.blocks()), 1,
                      static_cast<unsigned>(t.threads()), static_cast<std::size_t>(shared) * sizeof(float)},
                 operands, Lane::aside);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
