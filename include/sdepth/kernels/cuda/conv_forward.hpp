// The forward convolution stage on the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <span>

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
#include <sdepth/kernels/cuda/runs.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// What is known of a forward stage when it is compiled. Band says what its members mean.
template <int channels_in, int rows, int columns, int channels_out, int kernel_size, int stride, int pad,
          bool network_input, int products, class A, bool rounds_stochastically = false>
struct ForwardPlan {
  using Activation = A;
  static constexpr ConvShape shape{
      {channels_in, rows, columns}, channels_out, kernel_size, stride, pad, false, network_input};
  static constexpr ConvTile tile = forward_tile(shape, products > 0);
  static_assert(
      tile.shared_bytes() <= most_shared_bytes,
      "the kernel and stride of this convolution are too large for the shared memory of a GPU's block");
  static constexpr int tf32_products = products;
  static constexpr bool stochastic = rounds_stochastically;

  static constexpr int height = rows, width = columns;
  static constexpr bool quads = !network_input;
  static constexpr int pitch = network_input ? channels_in : padded(channels_in);

  static constexpr Shape out = shape.out();
  static constexpr int tiles_down = tile.tiles_down(out.height), tiles_across = tile.tiles_across(out.width);
  static constexpr int padding = pad;
  static constexpr int own_rows = tile.height * stride, own_columns = tile.width * stride;
  static constexpr int last_rows = tiles_down * own_rows, last_columns = tiles_across * own_columns;

  static constexpr int kernel = kernel_size;
  static constexpr int weight_rows_all = channels_in, weight_columns_all = padded(channels_out),
                       tap_pitch = weight_rows_all * weight_columns_all;
};

template <class Stored>
struct ConvForwardOperands {
  int batch = 0;
  TensorRounding<Stored> rounding;  // of out
  Reading<Stored> source;
  const float* weights = nullptr;
  const float* bias = nullptr;  // null: none
  Stored* out = nullptr;
  StatisticsResult statistics;
  ChannelParts parts;

  friend bool operator==(const ConvForwardOperands&, const ConvForwardOperands&) = default;
};

/// Computes a stage. Returns whether this block has made the statistics, as one for each range of channels
/// does.
template <class Plan, class Stored, class Wait>
[[nodiscard]] __device__ __forceinline__ bool forward_stage(const ConvForwardOperands<Stored>& o,
                                                            const Wait& wait) {
  constexpr ConvTile t = Plan::tile;
  constexpr int tiles = Plan::tiles_down * Plan::tiles_across, pitch_out = padded(Plan::shape.channels_out),
                stride = Plan::shape.stride;
  const int first_image = static_cast<int>(blockIdx.x) / tiles * t.images,
            tile = static_cast<int>(blockIdx.x) % tiles;
  const int h0 = tile / Plan::tiles_across * t.height, w0 = tile % Plan::tiles_across * t.width;
  const int first_channel = static_cast<int>(blockIdx.y) * t.channels;
  const int images = o.batch - first_image;
  float* const shared = shared_memory();

  Reading<Stored> source = o.source;
  if (blockIdx.y > 0) source.finished = nullptr;  // one block of those that read a pixel finishes it
  convolve(source, Band<Plan>(first_image, images, h0 * stride - Plan::padding, w0 * stride - Plan::padding),
           o.weights, BandTaps{.rows = Plan::kernel, .columns = Plan::kernel}, first_channel, shared, wait);

  // Neighbouring threads read and write neighbouring groups of 16 bytes.
  constexpr int in_pixel = t.channels / quad, at_once = ConvTile::threads / in_pixel;
  const int own_channel = static_cast<int>(threadIdx.x) % in_pixel * quad, c = first_channel + own_channel;
  const bool there = c < pitch_out;
  const float4 bias = o.bias && there ? load_4(o.bias + c) : all_four(0.0F);
  Stored* const out = o.out + static_cast<std::size_t>(first_image) * (Plan::out.pixels() * pitch_out);
  RunningMoments moments[quad];
#pragma unroll 2
  for (int p = static_cast<int>(threadIdx.x) / in_pixel; p < t.pixels() / t.idle; p += at_once) {
    const int image = p / (t.height * t.width), h = h0 + p / t.width % t.height, w = w0 + p % t.width;
    if (image >= images || h >= Plan::out.height || w >= Plan::out.width || !there) continue;
    const int pixel = (image * Plan::out.height + h) * Plan::out.width + w;
    const std::size_t at = static_cast<std::size_t>(pixel * pitch_out + c);
    float4 v = sum(load_4(shared + p * t.result_pitch() + own_channel), bias);
    if constexpr (Plan::stochastic)
      v = o.rounding.round_4(
          v, pitch_out, static_cast<unsigned>(first_image * static_cast<int>(Plan::out.pixels()) + pixel), c);
    v = stored_4(out + at, v);
    moments[0].add(v.x);
    moments[1].add(v.y);
    moments[2].add(v.z);
    moments[3].add(v.w);
  }
  if (!o.statistics.mean) return false;
  float* const sums = shared + t.result_size();
  float* const own = sums + static_cast<int>(threadIdx.x) / in_pixel * 3 * t.channels + own_channel;
  store_4(own, all_four(static_cast<float>(moments[0].count)));
  store_4(own + t.channels,
          make_float4(moments[0].mean(), moments[1].mean(), moments[2].mean(), moments[3].mean()));
  store_4(own + 2 * t.channels, make_float4(moments[0].deviations(), moments[1].deviations(),
                                            moments[2].deviations(), moments[3].deviations()));
  return join_channels<JoinedMoments>(
      o.parts, o.statistics, sums, t.sum_rows(), static_cast<int>(blockIdx.y), static_cast<int>(blockIdx.x),
      pitch_out - first_channel < t.channels ? pitch_out - first_channel : t.channels);
}

template <int channels_in, int rows, int columns, int channels_out, int kernel_size, int stride, int pad,
          bool network_input, int products, class A, bool stochastic, class Stored>
__global__ void __launch_bounds__(ConvTile::threads, ConvTile::blocks)
    conv_forward_kernel(const ConvForwardOperands<Stored> o) {
  let_next_launch_begin();
  using Plan = ForwardPlan<channels_in, rows, columns, channels_out, kernel_size, stride, pad, network_input,
                           products, A, stochastic>;
  static_cast<void>(forward_stage<Plan>(o, LaunchBefore{}));
}

/// Stages of one shape, one after the other.
template <class Stored>
struct ConvForwardRunOperands {
  static constexpr int most = static_cast<int>((4096 - 64) / sizeof(ConvForwardOperands<Stored>));
  int stages = 0;
  unsigned* made = nullptr;  // counts statistics that are there
  unsigned before = 0;       // what it has counted before the launch
  ConvForwardOperands<Stored> stage[static_cast<unsigned>(most)];
};

/// The same stages in one cooperative launch, with the same sums in the same order: the next one begins where
/// the statistics of all channels are there, for which every block has written its tile. Meanwhile the first
/// weights are on their way.
template <int channels, int rows, int columns, int products, class A, bool stochastic, class Stored>
__global__ void __launch_bounds__(ConvTile::threads, ConvTile::blocks)
    conv_forward_run_kernel(const __grid_constant__ ConvForwardRunOperands<Stored> o) {
  using Plan = ForwardPlan<channels, rows, columns, channels, 3, 1, 1, false, products, A, stochastic>;
  begin_behind_launch_before();
  unsigned due = o.before;
#pragma unroll 1
  for (int s = 0; s < o.stages; ++s, due += gridDim.y) {
    const bool made = forward_stage<Plan>(o.stage[s], [&] {
      if (s > 0 && threadIdx.x == 0) wait_for_count(o.made, due);
      __syncthreads();
    });
    __syncthreads();  // all have read what the next stage's weights overwrite
    if (made && threadIdx.x == 0) static_cast<void>(count_arrival(o.made));
  }
}

/// How a forward stage is launched.
template <ConvShape S, Precision P>
[[nodiscard]] constexpr Grid conv_forward_grid(int batch) noexcept {
  constexpr ConvTile t = forward_tile(S, tf32_products(P) > 0);
  return {.x = static_cast<unsigned>((batch + t.images - 1) / t.images * t.tiles_down(S.out().height) *
                                     t.tiles_across(S.out().width)),
          .y = static_cast<unsigned>((padded(S.channels_out) + t.channels - 1) / t.channels),
          .threads = ConvTile::threads,
          .shared_bytes = t.shared_bytes()};
}

/// Whether stages of a shape can be one launch: small pictures, where a launch takes as long as its work.
[[nodiscard]] constexpr bool has_runs(const ConvShape& s) noexcept {
  return s.in == s.out() && s.kernel == 3 && !s.network_input && s.in.channels >= 32 &&
         s.in.height * s.in.width <= 256;
}
/// How they become one: see Context::use_persistent_blocks.
template <ConvShape S, Precision P, class A, bool stochastic, class Stored>
struct ConvForwardRun {
  static constexpr auto kernel = conv_forward_run_kernel<S.in.channels, S.in.height, S.in.width,
                                                         tf32_products(P), A, stochastic, Stored>;

  [[nodiscard]] static bool fits(int device, const Launch& launch) {
    return blocks_fit(device, kernel, launch);
  }
  static void run(std::span<const Launch> row, cudaStream_t stream, unsigned* made, unsigned& count) {
    ConvForwardRunOperands<Stored> o;
    o.made = made;
    for (std::size_t done = 0; done < row.size(); done += static_cast<std::size_t>(o.stages)) {
      o.before = count;
      o.stages = 0;
      for (; o.stages < o.most && done + static_cast<std::size_t>(o.stages) < row.size(); ++o.stages)
        o.stage[o.stages] =
            row[done + static_cast<std::size_t>(o.stages)].template operands<ConvForwardOperands<Stored>>();
      launch_together(kernel, row[done], o, stream);
      count += static_cast<unsigned>(o.stages) * row[done].grid().y;
    }
  }
  static constexpr Run as_one{fits, run};
};

/// out = convolution of source's value, which is also written to source.finished unless that is null;
/// statistics of out unless null.
///
/// Errors against sums in double, relative: 1e-6 in float32; with TF32 as of factors that are off by 2^-11
/// each, 5e-4; with three products of TF32 3e-6.
template <ConvShape S, Precision P, class A = ReLU, class Stored>
void conv_forward(Context& context, int batch, const Source<float, Stored>& source, const float* weights,
                  const float* bias, Stored* out, Statistics<float> statistics) {
  static_assert(CheckedActivation<A>::said);
  constexpr Grid one = conv_forward_grid<S, P>(1);
  const Grid grid = conv_forward_grid<S, P>(batch);
  ConvForwardOperands<Stored> o{
      .batch = batch,
      .rounding = context.next_rounding<Stored>(),
      .source = Reading<Stored>(source),
      .weights = weights,
      .bias = bias,
      .out = out,
      .statistics = StatisticsResult(statistics),
      .parts = {},
  };
  o.source.rounding = o.rounding.second();
  if (statistics.mean)
    o.parts = channel_parts(context, static_cast<int>(grid.x), forward_tile(S, tf32_products(P) > 0).channels,
                            static_cast<int>(one.y));
  with_rounding(o.rounding, [&](auto stochastic) {
    const Run* run = nullptr;
    if constexpr (has_runs(S))
      if (statistics.mean) run = &ConvForwardRun<S, P, A, stochastic, Stored>::as_one;
    context.launch(
        StageName{"conv_forward", S.in, S.out(), batch},
        conv_forward_kernel<S.in.channels, S.in.height, S.in.width, S.channels_out, S.kernel, S.stride,
                            S.padding, S.network_input, tf32_products(P), A, stochastic, Stored>,
        grid, o, Lane::main, run);
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
