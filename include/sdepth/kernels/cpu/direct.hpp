// Direct convolution on padded scratch: the image kernels for any kernel extent, stride and number of
// channels.
//
// An image kernel turns the scratch of a group of images into rows of output. Its interface, which
// convolution.hpp's stages use:
//   images, rows          how many images a call takes at most, and how many output rows of each it makes (the last call of an image may make fewer)
//   scratch               geometry of one image's scratch; a group's images follow one another
//   prepared_size         floats of shared memory for the weights in the kernel's own form; 0: it reads the weights as they are
//   prepare(...)          makes them; prepare_tasks tasks that may run in parallel
//   work_size             floats of memory per thread
//   steps                 how often a call asks Prefetcher for its next portion
//   needed(row)           how many rows of the operand must be in scratch before output rows up to `row` can be made
//   run(...)              output rows [row, row + count) of each image g, to sinks(g)
// A weight gradient's kernel adds up sums instead: in memory of the part (total_size floats), or, where
// own_sums_size is not 0, in the thread's, which finish_part turns into the part's total; the part's first
// call (add false) overwrites what is there.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>

#include <sdepth/kernels/cpu/prefetcher.hpp>
#include <sdepth/kernels/cpu/blocks.hpp>
#include <sdepth/kernels/cpu/scratch.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

template <class Arch>
[[nodiscard]] constexpr int padded(int channels) noexcept {
  return round_up(channels, lanes<Arch>);
}
/// The operands of a convolution as they lie in memory.
template <class Arch, ConvShape S>
inline constexpr Shape input_image{S.network_input ? S.in.channels : padded<Arch>(S.in.channels), S.in.height,
                                   S.in.width};
template <class Arch, ConvShape S>
inline constexpr Shape output_image{padded<Arch>(S.channels_out), S.out().height, S.out().width};

/// Scratch of a convolution's input: every tap of every output pixel lies inside.
template <class Arch, ConvShape S>
inline constexpr Scratch input_scratch{
    input_image<Arch, S>, S.padding, S.padding,
    std::max(S.padding + S.in.height, (S.out().height - 1) * S.stride + S.kernel),
    std::max(S.padding + S.in.width, (S.out().width - 1) * S.stride + S.kernel)};

/// Calls convolve_block for all channels of `count` rows of pixels, and before() ahead of each block. G's
/// in_row and out_row lead from row to row. With Packed weights T's distances between them do not count.
template <class Arch, Block B, OutputDistances G, Taps T, int Width, int Vectors, bool Packed = false,
          class Weight, class Before>
void convolve_rows(int count, const float* in, const Weight* weights, const float* bias, float* out,
                   const Before& before) {
  for_each_block<Cut(Vectors, B.vectors)>([&]<int V>(int vector) SDEPTH_INLINE_LAMBDA {
    constexpr int steps = T.rows * T.columns * T.channels;
    constexpr Taps taps = Packed ? packed(T, V * lanes<Arch>) : T;
    const int channel = vector * lanes<Arch>;
    const Weight* w = weights + (Packed ? channel * steps : channel);
    for (int row = 0; row < count; row += B.rows)
      for_each_block<Cut(Width, B.columns)>([&]<int Columns>(int column) SDEPTH_INLINE_LAMBDA {
        before();
        convolve_block<Arch, Block{B.rows, Columns, V}, G, taps>(
            in + row * G.in_row + column * G.in_column, w, bias ? bias + channel : nullptr,
            out + row * G.out_row + column * G.out_column + channel);
      });
  });
}
template <class Arch, Block B, OutputDistances G, Taps T, int Width, int Vectors, class Weight>
void convolve_rows(int count, const float* in, const Weight* weights, const float* bias, float* out) {
  convolve_rows<Arch, B, G, T, Width, Vectors>(count, in, weights, bias, out, [] {});
}
/// How many blocks those are.
[[nodiscard]] constexpr int blocks_of(const Block& block, int rows, int width, int vectors) noexcept {
  return (rows + block.rows - 1) / block.rows * ((width + block.columns - 1) / block.columns) *
         ((vectors + block.vectors - 1) / block.vectors);
}

/// Gives rows of pixels [count, width, channels] to a sink. Not straight from the registers: blocks overlap
/// at a row's end, and a sink counts each pixel once.
template <class Arch, int Width, int Channels, class Sink>
void give_rows(const float* rows, int row, int count, const Sink& sink) {
  sink.begin(count * Width);
  for (int c = 0; c < Channels; c += lanes<Arch>)
    sink.block(row, 0, c, rows + c, count, Width, Width * Channels, Channels);
}

/// Forward: out[h, w, co] = Σ v[h·stride + kh − padding, w·stride + kw − padding, ci] · weights[kh, kw, ci,
/// co]. From: the scratch that v is read from, whose halo covers the padding.
template <class Arch, ConvShape S, Scratch From = input_scratch<Arch, S>, Caches C = default_caches<Arch>>
struct DirectForward {
  static constexpr Shape out = output_image<Arch, S>;
  static constexpr Scratch scratch = From;
  static constexpr int vectors = out.channels / lanes<Arch>;
  static constexpr Block block =
      choose_block<Arch>(out.height, out.width, vectors, S.kernel* S.kernel* S.in.channels, C);
  static constexpr int images = 1;
  static constexpr int rows = rows_at_a_time(out.height, out.width* out.channels, block.rows);
  static constexpr bool tiled = false;  // it reads what its taps meet, and no more
  static constexpr int all_taps = S.kernel * S.kernel, all_steps = all_taps * S.in.channels;
  static constexpr bool packs = packing_pays(out.channels, static_cast<double>(all_steps) * out.channels, C);
  static constexpr std::size_t prepared_size = packs ? static_cast<std::size_t>(all_steps) * out.channels : 0;
  static constexpr std::size_t work_size = static_cast<std::size_t>(rows * out.width * out.channels);
  static constexpr int prepare_tasks = packs ? all_taps : 0,
                       steps = blocks_of(block, rows, out.width, vectors);
  /// Packs one tap.
  template <class Weight>
  static void prepare(int tap, const float* weights, Weight* prepared) {
    constexpr Cut cut(vectors, block.vectors);
    for (int step = tap * S.in.channels; step < (tap + 1) * S.in.channels; ++step)
      for (int v = 0; v < vectors; ++v)
        put_all(weights + step * out.channels + v * lanes<Arch>, lanes<Arch>,
                prepared + packed_at<Arch>(cut, all_steps, step, v));
  }

  [[nodiscard]] static constexpr int needed(int row) noexcept {
    return std::clamp((row - 1) * S.stride + S.kernel - S.padding, 0, S.in.height);
  }
  template <class Weight, class Sinks>
  static void run(const float* in, int, int row, int count, const Weight* weights, float* work,
                  Prefetcher& ahead, const Sinks& sinks) {
    constexpr OutputDistances grid{S.stride * scratch.row(), S.stride * scratch.image.channels,
                                   out.width * out.channels, out.channels};
    convolve_rows<Arch, block, grid, taps(), out.width, vectors, packs>(
        count, in + scratch.at(row * S.stride - S.padding, -S.padding), weights, nullptr, work,
        [&] { ahead.step(); });
    give_rows<Arch, out.width, out.channels>(work, row, count, sinks(0));
  }

 private:
  /// Neighbouring taps of a row are one longer run of channels where channels are not padded: one loop
  /// instead of two.
  [[nodiscard]] static constexpr Taps taps() noexcept {
    constexpr bool merge = scratch.image.channels == S.in.channels;
    return {.rows = S.kernel,
            .columns = merge ? 1 : S.kernel,
            .channels = S.in.channels * (merge ? S.kernel : 1),
            .in_row = scratch.row(),
            .in_column = scratch.image.channels,
            .weights_row = S.kernel * S.in.channels * out.channels,
            .weights_column = S.in.channels * out.channels,
            .weights_channel = out.channels};
  }
};

/// One dimension of the input gradient's phases. Input coordinates h with (h + padding) mod stride = phase
/// receive the taps k = phase + stride·t, from the output coordinate (h + padding − phase)/stride − t: no
/// zeros are inserted, none multiplied.
struct Phase {
  int first = 0;  // the first coordinate
  int count = 0;  // how many coordinates
  int taps = 0;
  int origin = 0;  // output coordinate of tap 0 at `first`
};
[[nodiscard]] constexpr Phase phase_of(const ConvShape& s, int extent, int phase) noexcept {
  const int first = ((phase - s.padding) % s.stride + s.stride) % s.stride;
  return {first, first < extent ? (extent - first + s.stride - 1) / s.stride : 0,
          phase < s.kernel ? (s.kernel - phase + s.stride - 1) / s.stride : 0,
          (first + s.padding - phase) / s.stride};
}
/// Rows that a scratch of output gradients needs above (or left of) the gradient itself, and in all.
[[nodiscard]] constexpr std::pair<int, int> gradient_halo(const ConvShape& s, int extent,
                                                          int out_extent) noexcept {
  int low = 0, high = out_extent;
  for (int p = 0; p < s.stride; ++p) {
    const Phase phase = phase_of(s, extent, p);
    if (phase.count == 0 || phase.taps == 0) continue;
    low = std::min(low, phase.origin - phase.taps + 1);
    high = std::max(high, phase.origin + phase.count);
  }
  return {-low, high - low};
}
template <class Arch, ConvShape S>
inline constexpr Scratch gradient_scratch = [] {
  constexpr auto vertical = gradient_halo(S, S.in.height, S.out().height),
                 horizontal = gradient_halo(S, S.in.width, S.out().width);
  return Scratch{output_image<Arch, S>, vertical.first, horizontal.first, vertical.second, horizontal.second};
}();

/// Input gradient: dx[h, w, ci] = Σ scratch[(h + padding − kh)/stride, …, co] · weights[kh, kw, ci, co], from
/// weights transposed to [kh, kw, co, ci].
template <class Arch, ConvShape S, Caches C = default_caches<Arch>>
struct DirectInputGradient {
  static constexpr Shape out = input_image<Arch, S>;
  static constexpr Scratch scratch = gradient_scratch<Arch, S>;
  static constexpr int vectors = out.channels / lanes<Arch>;
  static constexpr int images = 1;
  static constexpr std::size_t prepared_size =
      static_cast<std::size_t>(S.kernel * S.kernel * S.channels_out * out.channels);
  static constexpr int prepare_tasks = S.kernel * S.kernel;

  /// Several rows are blocked together at stride 1 only: otherwise neighbouring rows have different taps.
  [[nodiscard]] static constexpr Block block_of(int vertical_taps, const Phase& p) noexcept {
    return choose_block<Arch>(S.stride == 1 ? out.height : 1, p.count, vectors,
                              vertical_taps * p.taps * S.channels_out, C);
  }
  static constexpr int rows =
      rows_at_a_time(out.height, out.width* out.channels,
                     S.stride == 1 ? block_of(S.kernel, phase_of(S, S.in.width, 0)).rows : 1);
  static constexpr int steps = S.stride == 1 ? 1 : rows;
  static constexpr std::size_t work_size = static_cast<std::size_t>(rows * out.width * out.channels);

  /// Transposes one tap.
  static void prepare(int tap, const float* weights, float* prepared) {
    const float* from = weights + tap * S.in.channels * padded<Arch>(S.channels_out);
    float* to = prepared + tap * S.channels_out * out.channels;
    for (int o = 0; o < S.channels_out; ++o)
      for (int i = 0; i < out.channels; ++i)
        to[o * out.channels + i] = i < S.in.channels ? from[i * padded<Arch>(S.channels_out) + o] : 0.0F;
  }
  template <class Sinks>
  static void run(const float* in, int, int row, int count, const float* prepared, float* work,
                  Prefetcher& ahead, const Sinks& sinks) {
    if constexpr (S.stride == 1) {
      ahead.step();
      phase_rows<0>(in, row, count, prepared, work);
    } else {
      for (int r = row; r < row + count; ++r) {
        ahead.step();
        each_phase([&]<int P>() {
          if ((r + S.padding) % S.stride == P)
            phase_rows<P>(in, r, 1, prepared, work + (r - row) * out.width * out.channels);
        });
      }
    }
    give_rows<Arch, out.width, out.channels>(work, row, count, sinks(0));
  }

 private:
  template <class F>
  static void each_phase(const F& f) {
    [&]<int... P>(std::integer_sequence<int, P...>) {
      (f.template operator()<P>(), ...);
    }(std::make_integer_sequence<int, S.stride>{});
  }
  /// `count` rows from `row` on, all of vertical phase P.
  template <int P>
  static void phase_rows(const float* in, int row, int count, const float* prepared, float* to) {
    constexpr int vertical = phase_of(S, S.in.height, P).taps, channels = scratch.image.channels;
    const int origin = (row + S.padding - P) / S.stride;
    each_phase([&]<int Q>() {
      constexpr Phase q = phase_of(S, S.in.width, Q);
      if constexpr (q.count > 0) {
        constexpr OutputDistances grid{scratch.row(), channels, out.width * out.channels,
                                       S.stride * out.channels};
        constexpr int tap = S.channels_out * out.channels;
        constexpr Taps taps{.rows = vertical,
                            .columns = q.taps,
                            .channels = S.channels_out,
                            .in_row = -scratch.row(),
                            .in_column = -channels,
                            .weights_row = S.stride * S.kernel * tap,
                            .weights_column = S.stride * tap,
                            .weights_channel = out.channels};
        // A phase without taps reads neither its input nor its weights: its gradient is zero.
        convolve_rows<Arch, block_of(vertical, q), grid, taps, q.count, vectors>(
            count,
            in + static_cast<std::ptrdiff_t>(scratch.at(0, 0)) + origin * scratch.row() + q.origin * channels,
            prepared + (P * S.kernel + Q) * tap, nullptr, to + q.first * out.channels);
      }
    });
  }
};

/// Weight gradient: total[kh, kw, ci, co] += Σ_{h, w} v[h·stride + kh, w·stride + kw, ci] · d[h, w, co], v
/// and d from their scratch.
template <class Arch, ConvShape S, Scratch V, Scratch D>
struct DirectWeightGradient {
  static constexpr Shape out = output_image<Arch, S>;
  static constexpr int images = 1;
  /// Rows of both factors fill L1; each call also reads and writes all sums once.
  static constexpr int rows = rows_at_a_time(out.height, (S.stride * V.row() + D.row()) / 4, 1);
  static constexpr std::size_t total_size =
      static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels * out.channels);
  static constexpr std::size_t own_sums_size = 0, work_size = 0;
  // neighbouring taps are then one run of channels
  static constexpr bool merge = V.image.channels == S.in.channels;
  static constexpr int steps = S.kernel * (merge ? 1 : S.kernel);

  static void run(const float* v, const float* d, int, int row, int count, float* total, bool add, float*,
                  Prefetcher& ahead) {
    constexpr int channels = V.image.channels;
    constexpr int length = S.in.channels * (merge ? S.kernel : 1);
    constexpr PixelRows pixels{out.width, S.stride * V.row(), S.stride * channels, D.row(), out.channels};
    const float* gradient = d + D.at(row, 0);
    for (int kh = 0; kh < S.kernel; ++kh)
      for (int kw = 0; kw < (merge ? 1 : S.kernel); ++kw) {
        ahead.step();
        outer_product<Arch, length, out.channels / lanes<Arch>, pixels, out.channels>(
            v + (row * S.stride + kh) * V.row() + kw * channels, gradient, count,
            total + (kh * S.kernel + kw) * S.in.channels * out.channels, add);
      }
  }
  static void finish_part(const float*, float*) {}
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
