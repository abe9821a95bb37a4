// How what a convolution multiplies comes into shared memory: the band of its input, with what is pending on
// it applied on the way, and its weights.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <sdepth/kernels/cuda/conv_tile.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/rounding.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

// What a Reading or a GradientReading makes of four channels: fixed for a thread while it goes from pixel to
// pixel. Absent parts are those that change nothing.
template <class A>
struct PendingValue {
  float4 scale = all_four(1.0F), shift = all_four(0.0F), shortcut_scale = all_four(1.0F),
         shortcut_shift = all_four(0.0F);
  bool activated;

  template <class Stored>
  __device__ PendingValue(const Reading<Stored>& r, int c) : activated(r.activated) {
    if (r.scale) scale = load_4(r.scale + c), shift = load_4(r.shift + c);
    if (r.shortcut_scale)
      shortcut_scale = load_4(r.shortcut_scale + c), shortcut_shift = load_4(r.shortcut_shift + c);
  }
  [[nodiscard]] __device__ float4 before_activation(const float4& x, const float4& shortcut) const {
    return sum(multiply_add(scale, x, shift), multiply_add(shortcut_scale, shortcut, shortcut_shift));
  }
  [[nodiscard]] __device__ float4 operator()(const float4& x, const float4& shortcut) const {
    const float4 v = before_activation(x, shortcut);
    return activated ? each([](float number) { return A::forward(number); }, v) : v;
  }
};
struct PendingGradient {
  float4 scale = all_four(1.0F), slope = all_four(0.0F), mean = all_four(0.0F), offset = all_four(0.0F);

  template <class Stored>
  __device__ PendingGradient(const GradientReading<Stored>& g, int c) {
    if (g.scale)
      scale = load_4(g.scale + c), slope = load_4(g.slope + c), mean = load_4(g.mean + c),
      offset = load_4(g.offset + c);
  }
  [[nodiscard]] __device__ float4 operator()(const float4& dy, const float4& x) const {
    return multiply_add(scale, dy,
                        multiply_add(slope, each([](float a, float b) { return a - b; }, x, mean), offset));
  }
};
template <class A, class Stored>
[[nodiscard]] __device__ inline PendingValue<A> pending(const Reading<Stored>& r, int c) {
  return {r, c};
}
template <class, class Stored>
[[nodiscard]] __device__ inline PendingGradient pending(const GradientReading<Stored>& g, int c) {
  return {g, c};
}

// The tensor that is copied, the one that is read besides (null: none), and where the result is to be kept
// (null: nowhere).
template <class Stored>
[[nodiscard]] __device__ inline const Stored* first_tensor(const Reading<Stored>& r) {
  return r.x;
}
template <class Stored>
[[nodiscard]] __device__ inline const Stored* first_tensor(const GradientReading<Stored>& g) {
  return g.dy;
}
template <class Stored>
[[nodiscard]] __device__ inline const Stored* second_tensor(const Reading<Stored>& r) {
  return r.shortcut;
}
template <class Stored>
[[nodiscard]] __device__ inline const Stored* second_tensor(const GradientReading<Stored>& g) {
  return g.scale ? g.x : nullptr;
}
template <class Stored>
[[nodiscard]] __device__ inline Stored* finished_tensor(const Reading<Stored>& r) {
  return r.finished;
}
template <class Stored>
[[nodiscard]] __device__ inline Stored* finished_tensor(const GradientReading<Stored>&) {
  return nullptr;
}
template <class Stored>
[[nodiscard]] __device__ inline bool written_down(const Reading<Stored>& r) {
  return r.written_down;
}
template <class Stored>
[[nodiscard]] __device__ inline bool written_down(const GradientReading<Stored>&) {
  return false;
}
template <class Stored>
[[nodiscard]] __device__ inline TensorRounding<Stored> rounding(const Reading<Stored>& r) {
  return r.rounding;
}
template <class Stored>
[[nodiscard]] __device__ inline bool plain(const Reading<Stored>& r) {
  return !r.scale && !r.shortcut && !r.activated;
}
template <class Stored>
[[nodiscard]] __device__ inline bool plain(const GradientReading<Stored>& g) {
  return !g.scale;
}

/// x as the product wants it.
template <bool tf32>
[[nodiscard]] __device__ __forceinline__ float as_factor(float x) {
  if constexpr (tf32)
    return std::bit_cast<float>(to_tf32(x));
  else
    return x;
}

/// The band of one tile: a piece of an [N, H, W, C] tensor with zeros around it.
///
/// @tparam Plan  what is known of the convolution when it is compiled: `tile`; the tensor's `height`,
///               `width`, and `pitch`, the numbers from pixel to pixel; `quads`, whether these are whole
///               groups of 4; `tf32_products`; `Activation`, the Source's; `stochastic`, whether what is
///               finished is rounded so; `own_rows` and `own_columns`, how many pixels of the band the tile
///               finishes, from row and column `padding` on (the last tile of a row or column all that are
///               left)
template <class Plan>
class Band {
  static constexpr ConvTile t = Plan::tile;
  static constexpr int at_once = Plan::quads ? quad : 1;
  static constexpr int in_pixel = t.depth / at_once;
  static constexpr int copies = t.band_pixels() * in_pixel;
  static constexpr bool rounds = Plan::tf32_products == 1 && has_tf32;
  static_assert(ConvTile::threads % in_pixel == 0, "a thread must stay with its channels");
  static constexpr int image_size = Plan::height * Plan::width * Plan::pitch;

 public:
  /// @param images  from the tile's first image to the last of the batch   @param y, x  of the band's first
  ///                pixel in the image, may lie outside
  __device__ Band(int first_image, int images, int y, int x)
      : first_(static_cast<std::size_t>(first_image) * image_size), images_(images), y_(y), x_(x) {}

  /// Begins to copy a chunk of channels.
  template <class Operand>
  __device__ void begin(const Operand& from, int chunk, float* band) const {
    const auto* const tensor = first_tensor(from) + first_;
    const int k = channel();
    if (copies % ConvTile::threads != 0 && static_cast<int>(threadIdx.x) >= copies) return;
#pragma unroll 1
    for (int i = static_cast<int>(threadIdx.x); i < copies; i += ConvTile::threads) {
      const int pixel = i / in_pixel, offset = place(pixel, chunk * t.depth + k);
      float* const to = band + pixel * t.band_pitch() + k;
      if constexpr (Plan::quads)
        fetch_4(to, tensor + (offset < 0 ? 0 : offset), offset >= 0);
      else
        fetch_float(to, tensor + (offset < 0 ? 0 : offset), offset >= 0);
    }
  }

  /// Waits for this thread's copies, and applies what is pending to the numbers that it copied itself, so
  /// that no other thread need be waited for. Numbers outside the image stay zero.
  template <class Operand>
  __device__ void finish(const Operand& from, int chunk, float* band) const {
    using Stored = typename Operand::Number;
    constexpr bool arrives_as_float = std::is_same_v<Stored, float> || !Plan::quads;
    Stored* const finished = finished_tensor(from);
    if (!rounds && arrives_as_float && plain(from) && !finished) {
      copies_done();
      return;
    }
    const int k = channel(), c = chunk * t.depth + k;
    if constexpr (Plan::quads) {
      // Four at a time: their loads of the second tensor are under way together, and while the copies arrive.
      constexpr int at_a_time = 4;
      const bool there = c < Plan::pitch;
      const auto value_of = pending<typename Plan::Activation>(from, there ? c : 0);
      const Stored* const second = second_tensor(from);
      int first = static_cast<int>(threadIdx.x);
      do {
        int offset[at_a_time];
        float4 other[at_a_time];
#pragma unroll
        for (int j = 0; j < at_a_time; ++j) {
          const int i = first + j * ConvTile::threads;
          offset[j] = i < copies ? place(i / in_pixel, c) : -1;
          other[j] = second && offset[j] >= 0 ? load_4(second + first_ + offset[j]) : all_four(0.0F);
        }
        copies_done();
#pragma unroll
        for (int j = 0; j < at_a_time; ++j) {
          if (offset[j] < 0) continue;
          const int pixel = (first + j * ConvTile::threads) / in_pixel;
          float* const at = band + pixel * t.band_pitch() + k;
          float4 v = value_of(arrived_4<Stored>(at), other[j]);
          if constexpr (Plan::stochastic)
            if (written_down(from)) v = rounding(from).round_4(v, Plan::pitch, pixel_at(offset[j]), c);
          if (finished && own(pixel)) store_4(finished + first_ + offset[j], v);
          if (written_down(from)) v = rounded<Stored>(v);
          store_4(at, each([](float x) { return as_factor<rounds>(x); }, v));
        }
        first += at_a_time * ConvTile::threads;
      } while (first < copies);
    } else {
      // The network's own input: rarely is anything pending on it, and its pixels are no whole groups of 4.
      copies_done();
      for (int i = static_cast<int>(threadIdx.x); i < copies; i += ConvTile::threads) {
        const int pixel = i / in_pixel, offset = place(pixel, c);
        if (offset < 0) continue;
        const std::size_t number = first_ + static_cast<std::size_t>(offset);
        float v = value<typename Plan::Activation>(from, number, c);
        if constexpr (Plan::stochastic)
          if (written_down(from)) v = rounding(from).round(v, Plan::pitch, pixel_at(offset), c);
        if (finished && own(pixel)) finished[number] = static_cast<Stored>(v);
        if (written_down(from)) v = static_cast<float>(static_cast<Stored>(v));
        band[pixel * t.band_pitch() + k] = as_factor<rounds>(v);
      }
    }
  }

 private:
  /// First channel of this thread in its chunk.
  [[nodiscard]] __device__ static int channel() { return static_cast<int>(threadIdx.x) % in_pixel * at_once; }
  /// Where channel c of a pixel of the band lies, from the tile's first image on; negative: outside of the
  /// tensor.
  [[nodiscard]] __device__ int place(int pixel, int c) const {
    const int image = pixel / (t.band_height * t.band_width), row = pixel / t.band_width % t.band_height,
              column = pixel % t.band_width;
    const int y = y_ + row, x = x_ + column;
    const bool inside =
        image < images_ && 0 <= y && y < Plan::height && 0 <= x && x < Plan::width && c < Plan::pitch;
    return inside ? image * image_size + (y * Plan::width + x) * Plan::pitch + c : -1;
  }
  /// Which pixel of the tensor it is.
  [[nodiscard]] __device__ std::uint32_t pixel_at(int offset) const {
    return static_cast<std::uint32_t>(first_ / image_size * (Plan::height * Plan::width)) +
           static_cast<std::uint32_t>(offset / Plan::pitch);
  }
  /// Whether the tile is the one that finishes this pixel, which lies inside the image.
  [[nodiscard]] __device__ bool own(int pixel) const {
    const int row = pixel / t.band_width % t.band_height - Plan::padding,
              column = pixel % t.band_width - Plan::padding;
    const bool last_row = y_ + Plan::padding + Plan::own_rows >= Plan::last_rows,
               last_column = x_ + Plan::padding + Plan::own_columns >= Plan::last_columns;
    return row >= 0 && column >= 0 && (row < Plan::own_rows || last_row) &&
           (column < Plan::own_columns || last_column);
  }

  std::size_t first_;
  int images_, y_, x_;
};

/// Which taps a tile has, in the order in which they lie over the band: the kernel's row first + step·i, and
/// so its column.
struct BandTaps {
  int rows = 0, first_row = 0;
  int columns = 0, first_column = 0;
  int step = 1;
};

/// Begins to copy the weights of one row of taps, between a chunk of input channels and the tile's output
/// channels. What lies beyond the channels becomes zero.
///
/// @param weights  [kernel, kernel, rows, columns], Plan::weight_rows_all and Plan::weight_columns_all, the
///                 latter a multiple of 4
/// @param row, column  the first of either
template <class Plan>
__device__ inline void begin_weights(const float* weights, const BandTaps& taps, int tap_row, int row,
                                     int column, float* to) {
  constexpr ConvTile t = Plan::tile;
  constexpr int in_row = t.weight_columns() / quad, in_tap = t.weight_rows() * in_row;
  const float* const of_row =
      weights +
      static_cast<std::size_t>((taps.first_row + tap_row * taps.step) * Plan::kernel) * Plan::tap_pitch;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < taps.columns * in_tap; i += ConvTile::threads) {
    const int tap = i / in_tap, r = i / in_row % t.weight_rows(), c = i % in_row * quad;
    const bool inside = row + r < Plan::weight_rows_all && column + c < Plan::weight_columns_all;
    const int offset = (taps.first_column + tap * taps.step) * Plan::tap_pitch +
                       (row + r) * Plan::weight_columns_all + column + c;
    copy_4(to + tap * t.tap_size() + r * t.weight_pitch() + c, of_row + (inside ? offset : 0), inside);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
