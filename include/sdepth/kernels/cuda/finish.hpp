// Stages without a convolution on the device: where a Source's value itself is wanted (before a pool, at the
// end of a block), and the way back through it.
//
// Bound by memory. A block of 256 threads takes a run of pixels in at most 128 channels; a thread stays with
// four channels, whose sums it keeps in registers, and takes several pixels at a time so that their loads are
// under way together. How pixels are dealt out depends on the tensor alone, never on the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <sdepth/activations/relu.hpp>
#include <sdepth/kernels/cuda/channel_sums.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/operands.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/vector.hpp>
#include <sdepth/kernels/dropout.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// How a block's threads lie over [pixels, channels]: channels fastest, so that a warp reads whole sectors of
/// 32 bytes, and 512 bytes in a row from 128 channels on.
template <int channels>  // padded
struct PixelBlock {
  static constexpr int threads = 256;
  static constexpr int tiles = (channels + 127) / 128;                           // ranges of channels
  static constexpr int pitch = round_up((channels + tiles - 1) / tiles, lanes);  // channels of one
  // pixels at a time; threads beyond the last whole row idle
  static constexpr int rows = threads / (pitch / quad);
  static constexpr std::size_t sums_bytes = std::size_t{3} * rows * pitch * sizeof(float);

  /// This thread's place: its row (rows: none), and its first channel in the tile.
  int row, channel;
  __device__ PixelBlock()
      : row(static_cast<int>(threadIdx.x) / (pitch / quad)),
        channel(static_cast<int>(threadIdx.x) % (pitch / quad) * quad) {}
  [[nodiscard]] __device__ static int channels_of_tile() {
    const int left = channels - static_cast<int>(blockIdx.y) * pitch;
    return left < pitch ? left : pitch;
  }
  /// First channel in the tensor.
  [[nodiscard]] __device__ int first_channel() const {
    return static_cast<int>(blockIdx.y) * pitch + channel;
  }
  [[nodiscard]] __device__ bool works() const { return row < rows && channel < channels_of_tile(); }
  /// Puts three sums of each of the four channels where join_channels finds them.
  __device__ void put(float* sums, const float4& a, const float4& b, const float4& c) const {
    float* to = sums + row * 3 * pitch + channel;
    store_4(to, a);
    store_4(to + pitch, b);
    store_4(to + 2 * pitch, c);
  }

  /// Pixels of a block: 4 for each row, so that a tensor of 64 channels of 8 × 8 pixels still has 128 blocks;
  /// more where there would be over 1,024 blocks, which fill any device and whose sums have to be joined.
  [[nodiscard]] static constexpr std::size_t pixels(std::size_t all) noexcept {
    constexpr std::size_t at_least = std::size_t{4} * rows, most_blocks = 1024;
    return at_least * ((all + at_least * most_blocks - 1) / (at_least * most_blocks));
  }
};

/// The pixels that a thread takes at a time, of which the first is there. In place of those that are not it
/// reads the first again, which nobody else writes where the result lies on an operand; nothing is written
/// for them.
template <int channels, std::size_t count>
struct Pixels {
  static constexpr std::size_t rows = PixelBlock<channels>::rows;
  std::size_t at[count];  // number in the tensor
  bool inside[count];

  __device__ Pixels(const PixelBlock<channels>& block, std::size_t first, std::size_t end) {
#pragma unroll
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t pixel = first + i * static_cast<std::size_t>(block.rows);
      inside[i] = pixel < end;
      at[i] = (inside[i] ? pixel : first) * channels + static_cast<std::size_t>(block.first_channel());
    }
  }
  template <class Stored>
  __device__ void load(const Stored* from, float4 (&to)[count]) const {
#pragma unroll
    for (std::size_t i = 0; i < count; ++i) to[i] = load_4(from + at[i]);
  }
  /// The numbers become what lies in memory then.
  template <class Stored>
  __device__ void store(float4 (&from)[count], Stored* to, const TensorRounding<Stored>& rounding,
                        std::size_t first, int channel) const {
#pragma unroll
    for (std::size_t i = 0; i < count; ++i)
      if (inside[i])
        from[i] = stored_4(
            to + at[i],
            rounding.round_4(from[i], channels, static_cast<std::uint32_t>(first + i * rows), channel));
  }
};

/// x becomes the Source's value before its activation, of four channels from c on. shortcut: read where there
/// is one.
template <std::size_t count, class Stored>
__device__ __forceinline__ void values_before(const Reading<Stored>& r, int c, float4 (&x)[count],
                                              const float4 (&shortcut)[count]) {
  if (r.scale) {
    const float4 scale = load_4(r.scale + c), shift = load_4(r.shift + c);
#pragma unroll
    for (float4& v : x) v = multiply_add(scale, v, shift);
  }
  if (r.shortcut) {
    const float4 scale = r.shortcut_scale ? load_4(r.shortcut_scale + c) : all_four(1.0F);
    const float4 shift = r.shortcut_scale ? load_4(r.shortcut_shift + c) : all_four(0.0F);
#pragma unroll
    for (std::size_t i = 0; i < count; ++i) x[i] = sum(x[i], multiply_add(scale, shortcut[i], shift));
  }
}
/// x becomes the Source's value.
template <class A, std::size_t count, class Stored>
__device__ __forceinline__ void values(const Reading<Stored>& r, int c, float4 (&x)[count],
                                       const float4 (&shortcut)[count]) {
  values_before(r, c, x, shortcut);
  if (r.activated)
#pragma unroll
    for (float4& v : x) v = each([](float number) { return A::forward(number); }, v);
}

/// A dropout of what a thread has: four channels are one group of its random words.
struct DropoutOperands {
  DropoutMask mask;
  std::uint32_t groups = 0;  // of a pixel; 0: no dropout
  std::uint32_t first = 0;   // pixel of the whole batch

  DropoutOperands() = default;
  DropoutOperands(const DropoutMask* wanted, Shape shape, int first_image) {
    if (wanted)
      mask = *wanted, groups = channel_groups(shape.channels),
      first = static_cast<std::uint32_t>(first_image * static_cast<int>(shape.pixels()));
  }
  /// @param pixel  counted over the images of the launch   @param channel  the first of the four
  __device__ void apply(std::size_t pixel, int channel, float4& v) const {
    const auto words = mask.words((first + static_cast<std::uint32_t>(pixel)) * groups +
                                  static_cast<std::uint32_t>(channel) / quad);
    v.x *= mask.factor(words[0]), v.y *= mask.factor(words[1]), v.z *= mask.factor(words[2]),
        v.w *= mask.factor(words[3]);
  }

  friend bool operator==(const DropoutOperands&, const DropoutOperands&) = default;
};

template <class Stored>
struct FinishOperands {
  Reading<Stored> source;
  DropoutOperands dropout;
  StatisticsResult statistics;
  std::size_t pixels = 0;  // of all images
  std::size_t pixels_of_block = 0;
  ChannelParts parts{};

  friend bool operator==(const FinishOperands&, const FinishOperands&) = default;
};

/// 2 blocks on a multiprocessor: 16 warps with 4 to 8 loads of 16 bytes a thread under way, 32 KB or more,
/// where 3 TB/s at a latency of 1 µs need 23 KB.
template <int channels, class A, class Stored>
__global__ void __launch_bounds__(256, 2) finish_kernel(const FinishOperands<Stored> o) {
  begin_behind_launch_before();
  constexpr std::size_t at_a_time = 4;
  const PixelBlock<channels> block;
  RunningMoments moments[quad];
  const std::size_t first = blockIdx.x * o.pixels_of_block,
                    end = first + o.pixels_of_block < o.pixels ? first + o.pixels_of_block : o.pixels;
  if (block.works())
    for (std::size_t p = first + static_cast<std::size_t>(block.row); p < end;
         p += at_a_time * static_cast<std::size_t>(block.rows)) {
      const Pixels<channels, at_a_time> pixels(block, p, end);
      float4 v[at_a_time], shortcut[at_a_time];
      pixels.load(o.source.x, v);
      if (o.source.shortcut) pixels.load(o.source.shortcut, shortcut);
      values<A>(o.source, block.first_channel(), v, shortcut);
      if (o.dropout.groups > 0)
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i)
          o.dropout.apply(p + i * static_cast<std::size_t>(block.rows), block.first_channel(), v[i]);
      if (o.source.finished) pixels.store(v, o.source.finished, o.source.rounding, p, block.first_channel());
      if (o.statistics.mean)
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i)
          if (pixels.inside[i])
            moments[0].add(v[i].x), moments[1].add(v[i].y), moments[2].add(v[i].z), moments[3].add(v[i].w);
    }
  if (!o.statistics.mean) return;
  float* const sums = shared_memory();
  if (block.works())
    block.put(sums, all_four(static_cast<float>(moments[0].count)),
              make_float4(moments[0].mean(), moments[1].mean(), moments[2].mean(), moments[3].mean()),
              make_float4(moments[0].deviations(), moments[1].deviations(), moments[2].deviations(),
                          moments[3].deviations()));
  join_channels<JoinedMoments>(o.parts, o.statistics, sums, block.rows, static_cast<int>(blockIdx.y),
                               static_cast<int>(blockIdx.x), block.channels_of_tile());
}

template <class Stored>
struct FinishBackwardOperands {
  GradientReading<Stored> gradient;
  DropoutOperands dropout;
  Masking<Stored> masking;
  Stored* out = nullptr;
  TensorRounding<Stored> rounding;  // of out
  std::size_t pixels = 0;           // of all images
  std::size_t pixels_of_block = 0;
  ChannelParts parts{};

  friend bool operator==(const FinishBackwardOperands&, const FinishBackwardOperands&) = default;
};

/// 2 blocks on a multiprocessor: 16 warps with 2 pixels of 2 to 5 tensors each under way, 32 KB or more, as
/// above.
template <int channels, class A, class Stored>
__global__ void __launch_bounds__(256, 2) finish_backward_kernel(const FinishBackwardOperands<Stored> o) {
  begin_behind_launch_before();
  constexpr std::size_t at_a_time = 2;
  const PixelBlock<channels> block;
  const Masking<Stored>& m = o.masking;
  const int c = block.first_channel();
  const bool recompute = m.source.activated && !(A::derivative_from_output && m.source.finished);
  const bool needs_x = recompute || m.dz_normalised,
             needs_shortcut = (recompute && m.source.shortcut) || m.dz_normalised_shortcut;
  float4 dz_sum = all_four(0.0F), dz_x = all_four(0.0F), dz_shortcut = all_four(0.0F);
  const std::size_t first = blockIdx.x * o.pixels_of_block,
                    end = first + o.pixels_of_block < o.pixels ? first + o.pixels_of_block : o.pixels;
  if (block.works())
    for (std::size_t p = first + static_cast<std::size_t>(block.row); p < end;
         p += at_a_time * static_cast<std::size_t>(block.rows)) {
      const Pixels<channels, at_a_time> pixels(block, p, end);
      float4 d[at_a_time], raw[at_a_time], add[at_a_time], x[at_a_time], shortcut[at_a_time];
      pixels.load(o.gradient.dy, d);
      if (o.gradient.scale) pixels.load(o.gradient.x, raw);
      if (m.add) pixels.load(m.add, add);
      if (needs_x) pixels.load(m.source.x, x);
      if (needs_shortcut) pixels.load(m.source.shortcut, shortcut);
      if (o.gradient.scale) {
        const float4 scale = load_4(o.gradient.scale + c), slope = load_4(o.gradient.slope + c),
                     mean = load_4(o.gradient.mean + c), offset = load_4(o.gradient.offset + c);
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i) {
          const float4 distance = each([](float a, float b) { return a - b; }, raw[i], mean);
          d[i] = multiply_add(scale, d[i], multiply_add(slope, distance, offset));
        }
      }
      if (o.dropout.groups > 0)
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i)
          o.dropout.apply(p + i * static_cast<std::size_t>(block.rows), c, d[i]);
      if (m.add)
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i) d[i] = sum(d[i], add[i]);
      if (m.source.activated) {
        float4 v[at_a_time];
        if (!recompute) {
          pixels.load(m.source.finished, v);
        } else {
#pragma unroll
          for (std::size_t i = 0; i < at_a_time; ++i) v[i] = x[i];
          if constexpr (A::derivative_from_output)
            values<A>(m.source, c, v, shortcut);
          else
            values_before(m.source, c, v, shortcut);
        }
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i)
          d[i] = each([](float dz, float number) { return activation_backward<A>(dz, number); }, d[i], v[i]);
      }
      pixels.store(d, o.out, o.rounding, p, c);
      const auto add_products = [&](const float4(&numbers)[at_a_time], const float* means, float4& to) {
        const float4 mean = load_4(means + c);
#pragma unroll
        for (std::size_t i = 0; i < at_a_time; ++i)
          to = pixels.inside[i] ? each([](float dz, float a, float b, float s) { return fmaf(dz, a - b, s); },
                                       d[i], numbers[i], mean, to)
                                : to;
      };
#pragma unroll
      for (std::size_t i = 0; i < at_a_time; ++i)
        if (pixels.inside[i]) dz_sum = sum(dz_sum, d[i]);
      if (m.dz_normalised) add_products(x, m.mean, dz_x);
      if (m.dz_normalised_shortcut) add_products(shortcut, m.shortcut_mean, dz_shortcut);
    }
  if (o.parts.parts == 0) return;  // no sums wanted
  if (block.works()) block.put(shared_memory(), dz_sum, dz_x, dz_shortcut);
  join_channels<JoinedSums>(o.parts, m, shared_memory(), block.rows, static_cast<int>(blockIdx.y),
                            static_cast<int>(blockIdx.x), block.channels_of_tile());
}

/// Launches a kernel over all pixels, with ChannelParts where `sums` are wanted.
template <int channels, class Operands>
void launch_over_pixels(Context& context, const StageName& name, void (*kernel)(Operands), Operands& operands,
                        bool sums) {
  using Block = PixelBlock<channels>;
  operands.pixels = static_cast<std::size_t>(name.batch) * name.in.pixels();
  operands.pixels_of_block = Block::pixels(operands.pixels);
  const std::size_t blocks = (operands.pixels + operands.pixels_of_block - 1) / operands.pixels_of_block;
  if (sums) operands.parts = channel_parts(context, static_cast<int>(blocks), Block::pitch, Block::tiles);
  context.launch(name, kernel,
                 Grid{.x = static_cast<unsigned>(blocks),
                      .y = static_cast<unsigned>(Block::tiles),
                      .threads = static_cast<unsigned>(Block::threads),
                      .shared_bytes = sums ? Block::sums_bytes : 0},
                 operands);
}

/// Writes source's value to source.finished (unless null), and its statistics where they are wanted.
template <Shape S, class A = ReLU, class Stored = float>
void finish(Context& context, int batch, const Source<float, Stored>& source,
            const Statistics<float>& statistics) {
  static_assert(CheckedActivation<A>::said);
  const TensorRounding<Stored> rounding = context.next_rounding<Stored>();
  if (!source.finished && !statistics.mean) return;
  FinishOperands<Stored> operands{.source = Reading<Stored>(source),
                                  .dropout = DropoutOperands(source.dropout, S, context.first_image()),
                                  .statistics = StatisticsResult(statistics)};
  operands.source.rounding = rounding;
  launch_over_pixels<padded(S.channels)>(context, StageName{"finish", S, S, batch},
                                         finish_kernel<padded(S.channels), A, Stored>, operands,
                                         statistics.mean != nullptr);
}
/// out = the gradient of source before its activation, from gradient + add; and the sums. out may be
/// gradient.dy or add, which may be null.
template <Shape S, class A = ReLU, class Stored = float>
void finish_backward(Context& context, int batch, const Gradient<float, Stored>& gradient,
                     const Source<float, Stored>& source, const std::type_identity_t<Stored>* add,
                     Stored* out, const SourceSums<float>& sums) {
  FinishBackwardOperands<Stored> operands{
      .gradient = GradientReading<Stored>(gradient),
      .dropout = DropoutOperands(source.dropout, S, context.first_image()),
      .masking = Masking<Stored>(source, add, sums, context.failed()),
      .out = out,
      .rounding = context.next_rounding<Stored>()};
  launch_over_pixels<padded(S.channels)>(context, StageName{"finish_backward", S, S, batch},
                                         finish_backward_kernel<padded(S.channels), A, Stored>, operands,
                                         operands.masking.sums_wanted());
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
