// Pools and parameter-free shortcuts on the device, forward and backward.
//
// Bound by memory: a thread makes one float4 of the result, neighbours in memory by neighbours in the warp,
// and reads what it needs. The gradient gathers, so every number is written once, by one thread, in a fixed
// order: no atomics.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstddef>
#include <limits>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// 8 warps, 8 blocks on a multiprocessor: enough accesses in flight to fill the memory's latency.
inline constexpr int pool_threads = 256;

/// How many threads share a window. A wide one (GlobalAvgPool: 64 numbers of each of 64 channels, 128 images,
/// so 2,048 results) would leave most of the device idle with a thread for each: then a thread reads about 4
/// numbers, but at most 16 share, so that 16 neighbours read 256 bytes in a row.
[[nodiscard]] constexpr int pool_parts(int window) noexcept {
  return window < 16 ? 1
                     : static_cast<int>(std::bit_floor(static_cast<unsigned>(window < 64 ? window / 4 : 16)));
}

/// How many of a window's rows (or columns), the first of which is `first`, lie inside an image of `size`.
[[nodiscard]] __device__ constexpr int pixels_inside(int first, int window, int size) {
  return (first + window < size ? first + window : size) - (first > 0 ? first : 0);
}

template <class Stored>
struct PoolOperands {
  const Stored* in = nullptr;       // [N, H, W, padded(channels)]
  Stored* out = nullptr;            // [N, out_height, out_width, channels_out]
  unsigned quads = 0;               // of the result
  TensorRounding<Stored> rounding;  // of an average

  friend bool operator==(const PoolOperands&, const PoolOperands&) = default;
};

/// out = mean or maximum over windows, zeros from padded(channels) on. What is not a number is larger than
/// all numbers: the maximum of its window.
template <bool maximum, int channels, int channels_out, int height, int width, int out_height, int out_width,
          int window_height, int window_width, int stride, int padding, bool ceil_mode, class Stored>
__global__ void __launch_bounds__(pool_threads) pool_forward_kernel(const PoolOperands<Stored> o) {
  begin_behind_launch_before();
  constexpr unsigned window = window_height * window_width, parts = pool_parts(window),
                     results = pool_threads / parts;
  constexpr unsigned quads_in = padded(channels) / quad, quads_out = padded(channels_out) / quad;
  static_assert(!maximum || quads_in == quads_out, "channels that are added are means over nothing");
  const unsigned part = threadIdx.x / results, result = threadIdx.x % results,
                 i = blockIdx.x * results + result;
  const unsigned q = i % quads_out, pixel = i / quads_out;
  const unsigned w = pixel % out_width, h = pixel / out_width % out_height,
                 n = pixel / (out_width * out_height);
  float4 v = all_four(maximum ? -std::numeric_limits<float>::infinity() : 0.0F);
  const auto join = [](const float4& a, const float4& b) {
    return maximum ? each([](float x, float y) { return y > x || is_nan(y) ? y : x; }, a, b) : sum(a, b);
  };
  const bool mine = i < o.quads;
  if (mine && q < quads_in)
    for (unsigned k = part; k < window; k += parts) {
      const int y = static_cast<int>(h * stride + k / window_width) - padding,
                x = static_cast<int>(w * stride + k % window_width) - padding;
      if (0 <= y && y < height && 0 <= x && x < width) {
        const std::size_t at = (static_cast<std::size_t>(n) * height + static_cast<unsigned>(y)) * width +
                               static_cast<unsigned>(x);
        v = join(v, load_4(o.in + (at * quads_in + q) * quad));
      }
    }
  // a tree over the parts; neighbours in a warp lie side by side, so no two share a bank
  if constexpr (parts > 1) {
    float* given = shared_memory() + result * quad;
    for (unsigned half = parts / 2; half > 0; half /= 2) {
      if (half <= part && part < 2 * half) store_4(given + (part - half) * results * quad, v);
      __syncthreads();
      if (part < half) v = join(v, load_4(given + part * results * quad));
      __syncthreads();
    }
  }
  if (!mine || part > 0) return;
  float factor = 1.0F / static_cast<float>(window);
  if constexpr (maximum) factor = 1.0F;
  if constexpr (!maximum && ceil_mode)
    factor = 1.0F /
             static_cast<float>(pixels_inside(static_cast<int>(h) * stride - padding, window_height, height) *
                                pixels_inside(static_cast<int>(w) * stride - padding, window_width, width));
  v = each([factor](float x) { return x * factor; }, v);
  // a maximum, or the mean of one number, has been rounded
  if constexpr (!maximum && window > 1)
    v = o.rounding.round_4(v, channels_out, pixel, static_cast<int>(q) * quad);
  store_4(o.out + static_cast<std::size_t>(i) * quad, v);
}

template <class Stored>
struct PoolGradientOperands {
  const Stored* dy = nullptr;  // [N, out_height, out_width, channels_out]
  const Stored* in = nullptr;  // [N, H, W, padded(channels)]; not read by an average
  Stored* dx = nullptr;        // [N, H, W, padded(channels)]
  unsigned quads = 0;          // of dx
  TensorRounding<Stored> rounding;

  friend bool operator==(const PoolGradientOperands&, const PoolGradientOperands&) = default;
};

/// Another number of a window, against one of them.
enum class Order { earlier, itself, later };
/// Whether the other one gets the gradient of the window's maximum before this one does: of several maxima
/// the first in row-major order gets it, and of several that are not numbers the last, as in PyTorch.
[[nodiscard]] __device__ __forceinline__ bool goes_before(float other, float mine, Order order) {
  if (is_nan(other)) return !is_nan(mine) || order == Order::later;
  return other > mine || (order == Order::earlier && other == mine);
}

/// dx: each number asks the windows that contain it.
template <bool maximum, int channels, int channels_out, int height, int width, int out_height, int out_width,
          int window_height, int window_width, int stride, int padding, bool ceil_mode, class Stored>
__global__ void __launch_bounds__(pool_threads) pool_backward_kernel(const PoolGradientOperands<Stored> o) {
  begin_behind_launch_before();
  constexpr unsigned quads_in = padded(channels) / quad, quads_out = padded(channels_out) / quad;
  const unsigned i = blockIdx.x * pool_threads + threadIdx.x;
  if (i >= o.quads) return;
  const unsigned q = i % quads_in, pixel = i / quads_in, n = pixel / (width * height);
  const int x = static_cast<int>(pixel % width), y = static_cast<int>(pixel / width % height);
  // The first and the last window over this number: those that begin at most window - 1 before it, and not
  // behind it.
  const auto first = [](int at, int size) {
    return at + padding < size ? 0 : (at + padding - size) / stride + 1;
  };
  const auto last = [](int at, int count) {
    return (at + padding) / stride < count ? (at + padding) / stride : count - 1;
  };
  const int last_h = last(y, out_height), last_w = last(x, out_width);
  float4 v = all_four(0.0F), d = all_four(0.0F);
  if constexpr (maximum) v = load_4(o.in + static_cast<std::size_t>(i) * quad);
  for (int h = first(y, window_height); h <= last_h; ++h)
    for (int w = first(x, window_width); w <= last_w; ++w) {
      const std::size_t at =
          (static_cast<std::size_t>(n) * out_height + static_cast<unsigned>(h)) * out_width +
          static_cast<unsigned>(w);
      float4 given = load_4(o.dy + (at * quads_out + q) * quad);
      if constexpr (maximum)  // other numbers of the window: they may take its gradient
        for (int kh = 0; kh < window_height; ++kh)
          for (int kw = 0; kw < window_width; ++kw) {
            const int other_y = h * stride + kh - padding, other_x = w * stride + kw - padding;
            if (other_y < 0 || other_y >= height || other_x < 0 || other_x >= width) continue;
            const int distance = (other_y - y) * width + other_x - x;
            const Order order = distance < 0 ? Order::earlier : distance > 0 ? Order::later : Order::itself;
            const std::size_t other =
                (static_cast<std::size_t>(n) * height + static_cast<unsigned>(other_y)) * width +
                static_cast<unsigned>(other_x);
            given = each([order](float g, float mine,
                                 float theirs) { return goes_before(theirs, mine, order) ? 0.0F : g; },
                         given, v, load_4(o.in + (other * quads_in + q) * quad));
          }
      if constexpr (!maximum && ceil_mode) {
        const int pixels = pixels_inside(h * stride - padding, window_height, height) *
                           pixels_inside(w * stride - padding, window_width, width);
        given = each([pixels](float g) { return g / static_cast<float>(pixels); }, given);
      }
      d = sum(d, given);
    }
  constexpr float factor =
      maximum || ceil_mode ? 1.0F : 1.0F / static_cast<float>(window_height * window_width);
  d = each([](float g) { return g * factor; }, d);
  // Where the result has more channels than the input, lanes of dy beyond the input's channels are not zeros.
  const int c = static_cast<int>(q) * quad;
  d = only_channels(d, c, channels);
  // what one window gives undivided has been rounded
  if constexpr (window_height > stride || window_width > stride ||
                (!maximum && window_height * window_width > 1))
    d = o.rounding.round_4(d, channels, pixel, c);
  store_4(o.dx + static_cast<std::size_t>(i) * quad, d);
}

/// Groups of 4 numbers in a tensor, which the kernels count in 32 bits. Throws Error where there are too
/// many.
[[nodiscard]] inline unsigned pool_quads(const Shape& shape, int batch) {
  const std::size_t quads = static_cast<std::size_t>(batch) * shape.pixels() *
                            static_cast<std::size_t>(padded(shape.channels) / quad);
  // so that no thread's number wraps around
  constexpr std::size_t most = std::numeric_limits<unsigned>::max() - pool_threads;
  if (quads > most)
    fail("pool: expected at most ", most * quad, " numbers in a tensor, found ", quads * quad, " (", batch,
         " images of ", shape.height, " x ", shape.width, ", ", padded(shape.channels),
         " numbers a pixel); use a smaller batch");
  return static_cast<unsigned>(quads);
}

/// The host's part: S with channels_out channels, those from S.in.channels on zeros.
template <PoolShape S, int channels_out, class Stored>
void pool_forward_to(Context& context, int batch, const Stored* in, Stored* out) {
  constexpr Shape result{channels_out, S.out().height, S.out().width};
  constexpr unsigned parts = static_cast<unsigned>(pool_parts(S.window_height * S.window_width)),
                     results = pool_threads / parts;
  const unsigned quads = pool_quads(result, batch);
  context.launch(StageName{"pool_forward", S.in, result, batch},
                 pool_forward_kernel < S.kind == PoolKind::maximum, S.in.channels, channels_out, S.in.height,
                 S.in.width, result.height, result.width, S.window_height, S.window_width, S.stride,
                 S.padding, S.ceil_mode, Stored >,
                 Grid{.x = (quads + results - 1) / results,
                      .threads = pool_threads,
                      .shared_bytes = parts > 1 ? parts / 2 * results * quad * sizeof(float) : 0},
                 PoolOperands<Stored>{in, out, quads, context.next_rounding<Stored>()});
}
template <PoolShape S, int channels_out, class Stored>
void pool_backward_from(Context& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
  constexpr Shape result{channels_out, S.out().height, S.out().width};
  const unsigned quads = pool_quads(S.in, batch);
  context.launch(StageName{"pool_backward", S.in, result, batch},
                 pool_backward_kernel < S.kind == PoolKind::maximum, S.in.channels, channels_out, S.in.height,
                 S.in.width, result.height, result.width, S.window_height, S.window_width, S.stride,
                 S.padding, S.ceil_mode, Stored >,
                 Grid{.x = (quads + pool_threads - 1) / pool_threads, .threads = pool_threads},
                 PoolGradientOperands<Stored>{dy, in, dx, quads, context.next_rounding<Stored>()});
}

/// out [N, out(H), out(W), C'] from in [N, H, W, C'], which must not overlap. Throws Error where out has 2^34
/// numbers (64 GB) or more.
template <PoolShape S, class Stored>
void pool_forward(Context& context, int batch, const Stored* in, Stored* out) {
  pool_forward_to<S, S.in.channels>(context, batch, in, out);
}
/// dx is overwritten, and may not have 2^34 numbers either. in: what pool_forward read; null for averages.
template <PoolShape S, class Stored>
void pool_backward(Context& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
  pool_backward_from<S, S.in.channels>(context, batch, dy, in, dx);
}
/// The pool on the first S.in.channels channels of S.channels_out; the others are zeros.
template <ShortcutShape S, class Stored>
void shortcut_forward(Context& context, int batch, const Stored* in, Stored* out) {
  pool_forward_to<S.pool(), S.channels_out>(context, batch, in, out);
}
template <ShortcutShape S, class Stored>
void shortcut_backward(Context& context, int batch, const Stored* dy, Stored* dx) {
  pool_backward_from<S.pool(), S.channels_out>(context, batch, dy, static_cast<const Stored*>(nullptr), dx);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
