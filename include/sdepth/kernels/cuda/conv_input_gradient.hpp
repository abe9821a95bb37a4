// The gradient of a convolution stage's input, on the device.
//
// Each input pixel gathers from the output pixels that read it. Which taps these are depends on the pixel's
// row and column modulo the stride, so the pixels of one such class are computed like the output of a
// convolution with stride 1, by blocks of their own; a class that no tap reaches has the gradient zero.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/cuda/channel_sums.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/conv_band.hpp>
#include <sdepth/kernels/cuda/conv_product.hpp>
#include <sdepth/kernels/cuda/conv_tile.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>
#include <sdepth/kernels/cuda/precision.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// What is known of an input gradient when it is compiled. Band says what its members mean.
template <int channels_in, int rows, int columns, int channels_out, int kernel_size, int stride, int pad,
          int products>
struct InputGradientPlan {
  static constexpr bool stochastic = false;  // of what is finished
  static constexpr ConvShape shape{{channels_in, rows, columns}, channels_out, kernel_size, stride, pad};
  static constexpr ConvTile tile = input_gradient_tile(shape);
  static_assert(tile.shared_bytes() <= most_shared_bytes,
                "the kernel of this convolution is too large for the shared memory of a GPU's block");
  static constexpr int tf32_products = products;

  static constexpr int height = shape.out().height, width = shape.out().width;
  static constexpr bool quads = true;
  static constexpr int pitch = padded(channels_out);

  static constexpr int tiles_down = tile.tiles_down((rows + stride - 1) / stride),
                       tiles_across = tile.tiles_across((columns + stride - 1) / stride);
  // A gradient is not finished, and has no activation.
  using Activation = void;
  static constexpr int padding = 0, own_rows = 0, own_columns = 0, last_rows = 0, last_columns = 0;

  static constexpr int kernel = kernel_size;
  static constexpr int weight_rows_all = channels_in, weight_columns_all = padded(channels_out),
                       tap_pitch = weight_rows_all * weight_columns_all;
};

/// The taps of the kernel that connect input pixels p, p + stride, p + 2·stride … of a row (or column) with
/// output pixels, in the order of these: input pixel p + stride·u reads output pixel u + origin + i through
/// tap first − stride·i.
struct TapsOfClass {
  int count, first, origin;
};
[[nodiscard]] __device__ constexpr TapsOfClass taps_of_class(int p, int kernel, int stride, int padding) {
  const int smallest = (p + padding) % stride,
            count = smallest < kernel ? (kernel - smallest + stride - 1) / stride : 0;
  return {count, smallest + stride * (count - 1), (p + padding) / stride - (count - 1)};
}

template <class Stored>
struct ConvInputGradientOperands {
  int batch = 0;
  TensorRounding<Stored> rounding;  // of out
  GradientReading<Stored> gradient;
  Masking<Stored> masking;
  const float* weights = nullptr;
  Stored* out = nullptr;
  ChannelParts parts;

  friend bool operator==(const ConvInputGradientOperands&, const ConvInputGradientOperands&) = default;
};

template <int channels_in, int rows, int columns, int channels_out, int kernel_size, int stride, int pad,
          int products, class A, bool stochastic, class Stored>
__global__ void __launch_bounds__(ConvTile::threads, ConvTile::blocks)
    conv_input_gradient_kernel(const ConvInputGradientOperands<Stored> o) {
  let_next_launch_begin();
  using Plan =
      InputGradientPlan<channels_in, rows, columns, channels_out, kernel_size, stride, pad, products>;
  constexpr ConvTile t = Plan::tile;
  constexpr int tiles = Plan::tiles_down * Plan::tiles_across, pitch_in = padded(channels_in);
  const int tile = static_cast<int>(blockIdx.x) % tiles,
            of_class = static_cast<int>(blockIdx.x) / tiles % (stride * stride);
  const int first_image = static_cast<int>(blockIdx.x) / (tiles * stride * stride) * t.images;
  const int row_class = of_class / stride, column_class = of_class % stride;
  const int u0 = tile / Plan::tiles_across * t.height, v0 = tile % Plan::tiles_across * t.width;
  const int first_channel = static_cast<int>(blockIdx.y) * t.channels;
  const int images = o.batch - first_image;
  float* const shared = shared_memory();

  const TapsOfClass down = taps_of_class(row_class, kernel_size, stride, pad),
                    across = taps_of_class(column_class, kernel_size, stride, pad);
  convolve(o.gradient, Band<Plan>(first_image, images, u0 + down.origin, v0 + across.origin), o.weights,
           BandTaps{down.count, down.first, across.count, across.first, -stride}, first_channel, shared);

  const Masking<Stored>& m = o.masking;
  constexpr int in_pixel = t.channels / quad, at_once = ConvTile::threads / in_pixel;
  const int own_channel = static_cast<int>(threadIdx.x) % in_pixel * quad, c = first_channel + own_channel;
  const bool there = c < pitch_in;
  // What the activation's derivative is made of is read where it has been stored, and else computed again.
  const bool computes_v = m.source.activated && !(A::derivative_from_output && m.source.finished);
  const bool needs_x = computes_v || m.dz_normalised,
             needs_shortcut = (computes_v && m.source.shortcut) || m.dz_normalised_shortcut;
  const PendingValue<A> value_of = pending<A>(m.source, there ? c : 0);
  const float4 mean = m.dz_normalised && there ? load_4(m.mean + c) : all_four(0.0F);
  const float4 shortcut_mean =
      m.dz_normalised_shortcut && there ? load_4(m.shortcut_mean + c) : all_four(0.0F);
  float4 sum_dz = all_four(0.0F), sum_dz_x = all_four(0.0F), sum_dz_shortcut = all_four(0.0F);
  const std::size_t first = static_cast<std::size_t>(first_image) * (Plan::shape.in.pixels() * pitch_in);
  // Two pixels at a time, whose loads are under way together: out may be one of the tensors that are read, so
  // the compiler could not move a load before a store.
  constexpr int at_a_time = 2;
  for (int p = static_cast<int>(threadIdx.x) / in_pixel; p < t.pixels() / t.idle; p += at_a_time * at_once) {
    bool inside[at_a_time];
    int at[at_a_time];  // from the tile's first image on
    float4 dz[at_a_time], x[at_a_time], shortcut[at_a_time], add[at_a_time], v[at_a_time];
#pragma unroll
    for (int j = 0; j < at_a_time; ++j) {
      const int own = p + j * at_once, image = own / (t.height * t.width);
      const int h = (u0 + own / t.width % t.height) * stride + row_class,
                w = (v0 + own % t.width) * stride + column_class;
      inside[j] = own < t.pixels() / t.idle && image < images && h < rows && w < columns && there;
      at[j] = inside[j] ? ((image * rows + h) * columns + w) * pitch_in + c : 0;
      dz[j] = load_4(shared + (inside[j] ? own : 0) * t.result_pitch() + own_channel);
      // Nothing is read in the place of what is not there: another thread may be writing it.
      const auto load = [&](bool wanted, const Stored* from) {
        return wanted && inside[j] ? load_4(from + first + at[j]) : all_four(0.0F);
      };
      x[j] = load(needs_x, m.source.x);
      shortcut[j] = load(needs_shortcut, m.source.shortcut);
      add[j] = load(m.add != nullptr, m.add);
      v[j] = load(m.source.activated && !computes_v, m.source.finished);
    }
#pragma unroll
    for (int j = 0; j < at_a_time; ++j) {
      if (!inside[j]) continue;
      dz[j] = sum(dz[j], add[j]);
      if (computes_v)
        v[j] = A::derivative_from_output ? value_of(x[j], shortcut[j])
                                         : value_of.before_activation(x[j], shortcut[j]);
      if (m.source.activated)
        dz[j] = each([](float d, float number) { return activation_backward<A>(d, number); }, dz[j], v[j]);
      if constexpr (stochastic) {
        const int pixel = first_image * static_cast<int>(Plan::shape.in.pixels()) + at[j] / pitch_in;
        dz[j] = o.rounding.round_4(dz[j], pitch_in, static_cast<unsigned>(pixel), c);
      }
      dz[j] = stored_4(o.out + first + at[j], dz[j]);
      const auto distance = [](float d, float number, float middle, float before) {
        return fmaf(d, number - middle, before);
      };
      sum_dz = sum(sum_dz, dz[j]);
      sum_dz_x = each(distance, dz[j], x[j], mean, sum_dz_x);
      sum_dz_shortcut = each(distance, dz[j], shortcut[j], shortcut_mean, sum_dz_shortcut);
    }
  }
  if (!m.dz && !m.dz_normalised && !m.dz_normalised_shortcut) return;
  float* const sums = shared + t.result_size();
  float* const own = sums + static_cast<int>(threadIdx.x) / in_pixel * 3 * t.channels + own_channel;
  store_4(own, sum_dz);
  store_4(own + t.channels, sum_dz_x);
  store_4(own + 2 * t.channels, sum_dz_shortcut);
  join_channels<JoinedSums>(o.parts, m, sums, t.sum_rows(), static_cast<int>(blockIdx.y),
                            static_cast<int>(blockIdx.x),
                            pitch_in - first_channel < t.channels ? pitch_in - first_channel : t.channels);
}

/// How an input gradient is launched.
template <ConvShape S>
[[nodiscard]] constexpr Grid conv_input_gradient_grid(int batch) noexcept {
  constexpr ConvTile t = input_gradient_tile(S);
  constexpr int down = t.tiles_down((S.in.height + S.stride - 1) / S.stride),
                across = t.tiles_across((S.in.width + S.stride - 1) / S.stride);
  return {.x = static_cast<unsigned>((batch + t.images - 1) / t.images * S.stride * S.stride * down * across),
          .y = static_cast<unsigned>((padded(S.in.channels) + t.channels - 1) / t.channels),
          .threads = ConvTile::threads,
          .shared_bytes = t.shared_bytes()};
}

/// out = the gradient of source before its activation, from the convolution's + `add`, unless null; and the
/// sums over it, each unless null. out may be add.
template <ConvShape S, Precision P, class A = ReLU, class Stored>
void conv_input_gradient(Context& context, int batch, const Gradient<float, Stored>& gradient,
                         const Source<float, Stored>& source, const float* weights, const Stored* add,
                         Stored* out, const SourceSums<float>& sums, Lane lane = Lane::main,
                         const TensorRounding<Stored>& rounding = {}) {
  static_assert(!S.network_input, "the network's input needs no gradient");
  constexpr Grid one = conv_input_gradient_grid<S>(1);
  const Grid grid = conv_input_gradient_grid<S>(batch);
  ConvInputGradientOperands<Stored> o{batch,
                                      rounding,
                                      GradientReading<Stored>(gradient),
                                      Masking<Stored>(source, add, sums, context.failed()),
                                      weights,
                                      out,
                                      {}};
  if (o.masking.sums_wanted())
    o.parts = channel_parts(context, static_cast<int>(grid.x), input_gradient_tile(S).channels,
                            static_cast<int>(one.y));
  with_rounding(rounding, [&](auto stochastic) {
    context.launch(
        StageName{"conv_input_gradient", S.in, S.out(), batch},
        conv_input_gradient_kernel<S.in.channels, S.in.height, S.in.width, S.channels_out, S.kernel, S.stride,
                                   S.padding, tf32_products(P), A, stochastic, Stored>,
        grid, o, lane);
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
