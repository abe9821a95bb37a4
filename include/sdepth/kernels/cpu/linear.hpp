// Fully connected layers, out of the convolution's register blocks: an image is a pixel, all its numbers are
// one tap's channels.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/rounding.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Geometry of a linear layer in memory.
template <class Arch, LinearShape S>
struct LinearLayout {
  static constexpr int pixels = static_cast<int>(S.in.pixels());
  static constexpr int channels = padded<Arch>(S.in.channels);
  static constexpr int inputs = pixels * channels;  // floats of an image, padding included
  static constexpr int features = padded<Arch>(S.features);
  static constexpr int many = 16;  // images that a block is chosen for: more would not fit the registers
};

/// Numbers of the transposed weights.
template <class Arch, LinearShape S>
inline constexpr std::size_t transposed_size = whole_lines(
    static_cast<std::size_t>(S.features) * static_cast<std::size_t>(LinearLayout<Arch, S>::inputs));

/// Calls convolve_block for `count` images, in blocks and, for the rest, one by one.
template <class Arch, Block B, OutputDistances G, Taps T, int Vectors, class Weight>
void multiply_images(int count, const float* in, const Weight* weights, const float* bias, float* out) {
  int n = 0;
  for (; n + B.columns <= count; n += B.columns)
    convolve_rows<Arch, B, G, T, B.columns, Vectors>(1, in + n * G.in_column, weights, bias,
                                                     out + n * G.out_column);
  for (; n < count; ++n)
    convolve_rows<Arch, Block{1, 1, B.vectors}, G, T, 1, Vectors>(1, in + n * G.in_column, weights, bias,
                                                                  out + n * G.out_column);
}

/// out[n, f] = bias[f] + Σ_i in[n, i] · weights[i, f].
template <class Arch, int Parts, LinearShape S>
void multiply_forward(Workspace<float>& context, int batch, const float* in, const float* weights,
                      const float* bias, float* out) {
  using Layout = LinearLayout<Arch, S>;
  constexpr bool merge = Layout::channels == S.in.channels;
  constexpr int vectors = Layout::features / lanes<Arch>;
  constexpr Taps taps{.rows = merge ? 1 : Layout::pixels,
                      .channels = merge ? Layout::inputs : S.in.channels,
                      .in_row = Layout::channels,
                      .weights_row = S.in.channels * Layout::features,
                      .weights_channel = Layout::features};
  constexpr OutputDistances grid{.in_column = Layout::inputs, .out_column = Layout::features};
  const BatchParts parts = context.parts(batch, Parts);
  parallel_for(parts.mine.size(), context.threads(), [&](int index, int) {
    const Range range = parts.of(parts.mine.first + index);
    multiply_images<Arch, choose_block<Arch>(1, Layout::many, vectors, static_cast<int>(S.in.size())), grid,
                    taps, vectors>(range.size(),
                                   in + static_cast<std::ptrdiff_t>(range.first) * Layout::inputs, weights,
                                   bias, out + static_cast<std::ptrdiff_t>(range.first) * Layout::features);
  });
}

/// What a linear layer's weights have a gradient from: its input and the gradient of its output, of all
/// images.
struct LinearOperands {
  int images;
  const float* in;
  const float* dy;
};
/// The operands themselves; of a shared batch copies, with those of the other processes: there is less of
/// them than of weights, and the sum over images needs them in order. @param room  linear_room numbers
template <class Arch, LinearShape S>
[[nodiscard]] LinearOperands operands_of_all(Workspace<float>& context, int batch, const float* in,
                                             const float* dy, float* room) {
  using Layout = LinearLayout<Arch, S>;
  if (!context.others()) return {batch, in, dy};
  const int all = context.whole_batch(batch);
  const auto first = static_cast<std::size_t>(context.parts(batch, 1).first),
             here = static_cast<std::size_t>(batch);
  float* const gradients = room + whole_lines(static_cast<std::size_t>(all) * Layout::inputs);
  std::copy_n(in, here * Layout::inputs, room + first * Layout::inputs);
  std::copy_n(dy, here * Layout::features, gradients + first * Layout::features);
  context.fetch_images(room, Layout::inputs);
  context.fetch_images(gradients, Layout::features);
  return {all, room, gradients};
}
template <class Arch, LinearShape S>
[[nodiscard]] std::size_t linear_room(const Workspace<float>& context, int batch) {
  using Layout = LinearLayout<Arch, S>;
  const auto all = context.others() ? static_cast<std::size_t>(context.whole_batch(batch)) : 0;
  return whole_lines(all * Layout::inputs) + whole_lines(all * Layout::features);
}

/// The gradients; dx may be null. Each number of the weight gradient is one thread's sum over the batch in
/// its order.
/// @param transposed  room for [features][inputs, padding included], and behind it linear_room
template <class Arch, int Parts, LinearShape S>
void multiply_backward(Workspace<float>& context, int batch, const float* dy, const float* in,
                       const float* weights, float* weight_gradient, float* bias_gradient, float* dx,
                       float* transposed) {
  using Layout = LinearLayout<Arch, S>;
  const LinearOperands whole =
      operands_of_all<Arch, S>(context, batch, in, dy, transposed + transposed_size<Arch, S>);
  constexpr int vectors = Layout::features / lanes<Arch>;
  parallel_for(Layout::pixels, context.threads(), [&](int pixel, int) {
    float* gradient = weight_gradient + static_cast<std::ptrdiff_t>(pixel) * S.in.channels * Layout::features;
    constexpr PixelRows one_per_image{1, Layout::inputs, 0, Layout::features, 0};
    outer_product<Arch, S.in.channels, vectors, one_per_image, Layout::features>(
        whole.in + pixel * Layout::channels, whole.dy, whole.images, gradient, false);
    const float* from = weights + static_cast<std::ptrdiff_t>(pixel) * S.in.channels * Layout::features;
    for (int f = 0; f < S.features; ++f)
      for (int c = 0; c < Layout::channels; ++c)
        transposed[static_cast<std::ptrdiff_t>(f) * Layout::inputs + pixel * Layout::channels + c] =
            c < S.in.channels ? from[c * Layout::features + f] : 0.0F;
  });
  for (int f = 0; bias_gradient && f < Layout::features; f += lanes<Arch>) {
    Vector<Arch> sum = all<Arch>(0.0F);
    for (int n = 0; n < whole.images; ++n) sum = sum + load<Arch>(whole.dy + n * Layout::features + f);
    store<Arch>(bias_gradient + f, sum);
  }
  if (!dx) return;
  constexpr int outputs = Layout::inputs / lanes<Arch>;
  constexpr Taps taps{.channels = S.features, .weights_channel = Layout::inputs};
  constexpr OutputDistances grid{.in_column = Layout::features, .out_column = Layout::inputs};
  const BatchParts parts = context.parts(batch, Parts);
  parallel_for(parts.mine.size(), context.threads(), [&](int index, int) {
    const Range range = parts.of(parts.mine.first + index);
    multiply_images<Arch, choose_block<Arch>(1, Layout::many, outputs, S.features), grid, taps, outputs>(
        range.size(), dy + static_cast<std::ptrdiff_t>(range.first) * Layout::features, transposed, nullptr,
        dx + static_cast<std::ptrdiff_t>(range.first) * Layout::inputs);
  });
}

/// The same on activations as they lie in memory: what is no float is copied, since there is little of it and
/// the register blocks read floats.
template <class Arch, int Parts, LinearShape S, class Stored>
void linear_forward(Workspace<float>& context, int batch, const Stored* in, const float* weights,
                    const float* bias, Stored* out) {
  if constexpr (std::is_same_v<Stored, float>) {
    multiply_forward<Arch, Parts, S>(context, batch, in, weights, bias, out);
  } else {
    using Layout = LinearLayout<Arch, S>;
    const auto inputs = static_cast<std::size_t>(batch) * Layout::inputs,
               outputs = static_cast<std::size_t>(batch) * Layout::features;
    context.reserve(0, whole_lines(inputs) + outputs);
    float* const from = context.shared();
    float* const to = from + whole_lines(inputs);
    copy_numbers<Arch>(in, inputs, from);
    multiply_forward<Arch, Parts, S>(context, batch, from, weights, bias, to);
    if (const auto rounder = Rounder<Stored>::of(context, context.parts(batch, Parts).first))
      rounder.at(0, 1).template rows<Arch>(Layout::features, 0, batch, to);
    copy_numbers<Arch>(to, outputs, out);
  }
}
template <class Arch, int Parts, LinearShape S, class Stored>
void linear_backward(Workspace<float>& context, int batch, const Stored* dy, const Stored* in,
                     const float* weights, float* weight_gradient, float* bias_gradient, Stored* dx) {
  using Layout = LinearLayout<Arch, S>;
  const std::size_t room = transposed_size<Arch, S> + linear_room<Arch, S>(context, batch);
  if constexpr (std::is_same_v<Stored, float>) {
    context.reserve(0, room);
    multiply_backward<Arch, Parts, S>(context, batch, dy, in, weights, weight_gradient, bias_gradient, dx,
                                      context.shared());
  } else {
    const auto inputs = static_cast<std::size_t>(batch) * Layout::inputs,
               outputs = static_cast<std::size_t>(batch) * Layout::features;
    context.reserve(0, room + 2 * whole_lines(inputs) + outputs);
    float* const values = context.shared() + room;
    float* const gradients = values + whole_lines(inputs);
    float* const received = gradients + whole_lines(inputs);
    copy_numbers<Arch>(in, inputs, values);
    copy_numbers<Arch>(dy, outputs, received);
    multiply_backward<Arch, Parts, S>(context, batch, received, values, weights, weight_gradient,
                                      bias_gradient, dx ? gradients : nullptr, context.shared());
    const auto rounder = Rounder<Stored>::of(context, context.parts(batch, Parts).first);
    if (dx && rounder)
      rounder.at(0, S.in.pixels())
          .template rows<Arch>(Layout::channels, 0, batch * Layout::pixels, gradients);
    if (dx) copy_numbers<Arch>(gradients, inputs, dx);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
