// The reference's pools and parameter-free shortcuts.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/reference/source.hpp>

namespace sdepth::inline SDEPTH_ISA::reference {

/// Calls body(input index, output index) for each number of a window, in row-major order within the window;
/// numbers of one image.
template <PoolShape S, class Body>
void for_each_window(const Body& body) {
  constexpr Shape out = S.out();
  constexpr std::size_t channels = static_cast<std::size_t>(S.in.channels);
  for (int h = 0; h < out.height; ++h)
    for (int w = 0; w < out.width; ++w)
      for (int kh = 0; kh < S.window_height; ++kh)
        for (int kw = 0; kw < S.window_width; ++kw) {
          const int y = h * S.stride + kh - S.padding, x = w * S.stride + kw - S.padding;
          if (0 <= y && y < S.in.height && 0 <= x && x < S.in.width)
            for (std::size_t c = 0; c < channels; ++c)
              body(static_cast<std::size_t>(y * S.in.width + x) * channels + c,
                   static_cast<std::size_t>(h * out.width + w) * channels + c);
        }
}

/// What an average divides by, of each number of the output: the window's pixels, in ceil_mode those inside
/// the image.
template <PoolShape S>
[[nodiscard]] std::vector<double> window_sizes() {
  std::vector<double> sizes(S.out().size(),
                            S.ceil_mode ? 0.0 : static_cast<double>(S.window_height) * S.window_width);
  if constexpr (S.ceil_mode) for_each_window<S>([&](std::size_t, std::size_t o) { sizes[o] += 1; });
  return sizes;
}

/// Whether a maximum so far gives way to the window's next number: a larger one, or a NaN, which thus reaches
/// the output from wherever it stands. Of several equal maxima the first counts, of several NaNs the last.
/// Source: PyTorch's max_pool2d.
template <class T>
[[nodiscard]] bool displaces(T next, T maximum) {
  return next > maximum || std::isnan(next);
}

/// @param channels  of the tensor whose pixels begin with these channels: a shortcut's output may have more
template <PoolShape S, class Stored>
void pool_forward(int batch, const Stored* in, Stored* out, const RoundingNoise& noise = {},
                  int channels = S.in.channels) {
  const Written<Stored> written{noise, channels};
  constexpr std::size_t row = static_cast<std::size_t>(S.in.channels);
  const auto place = [&](std::size_t n, std::size_t o) {
    const std::size_t pixel = n * S.out().pixels() + o / row;
    return pixel * static_cast<std::size_t>(channels) + o % row;
  };
  constexpr std::size_t size_in = S.in.size(), size_out = S.out().size();
  std::vector<double> sum(size_out), divisor = window_sizes<S>();
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch); ++n, in += size_in, out += size_out) {
    if constexpr (S.kind == PoolKind::maximum) {
      std::vector<bool> seen(size_out);
      for_each_window<S>([&](std::size_t i, std::size_t o) {
        if (!seen[o] || displaces(in[i], out[o])) out[o] = in[i];
        seen[o] = true;
      });
    } else {
      std::fill(sum.begin(), sum.end(), 0.0);
      for_each_window<S>([&](std::size_t i, std::size_t o) { sum[o] += static_cast<double>(in[i]); });
      for (std::size_t o = 0; o < size_out; ++o) out[o] = written(sum[o] / divisor[o], place(n, o));
    }
  }
}

template <PoolShape S, class Stored>
void pool_backward(int batch, const Stored* dy, const Stored* in, Stored* dx,
                   const RoundingNoise& noise = {}) {
  const Written<Stored> written{noise, S.in.channels};
  constexpr std::size_t size_in = S.in.size(), size_out = S.out().size();
  constexpr std::size_t nowhere = size_in;
  std::vector<double> sum(size_in), divisor = window_sizes<S>();
  for (std::size_t n = 0; n < static_cast<std::size_t>(batch);
       ++n, in += size_in, dx += size_in, dy += size_out) {
    std::fill(sum.begin(), sum.end(), 0.0);
    if constexpr (S.kind == PoolKind::maximum) {
      std::vector<std::size_t> winner(size_out, nowhere);
      for_each_window<S>([&](std::size_t i, std::size_t o) {
        if (winner[o] == nowhere || displaces(in[i], in[winner[o]])) winner[o] = i;
      });
      for (std::size_t o = 0; o < size_out; ++o) sum[winner[o]] += static_cast<double>(dy[o]);
    } else {
      for_each_window<S>(
          [&](std::size_t i, std::size_t o) { sum[i] += static_cast<double>(dy[o]) / divisor[o]; });
    }
    for (std::size_t i = 0; i < size_in; ++i) dx[i] = written(sum[i], n * size_in + i);
  }
}

template <ShortcutShape S, class Stored>
void shortcut_forward(int batch, const Stored* in, Stored* out, const RoundingNoise& noise = {}) {
  constexpr std::size_t from = static_cast<std::size_t>(S.in.channels),
                        to = static_cast<std::size_t>(S.channels_out);
  const std::size_t pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  std::vector<Stored> pooled(pixels * from);
  pool_forward<S.pool()>(batch, in, pooled.data(), noise, S.channels_out);
  for (std::size_t p = 0; p < pixels; ++p)
    for (std::size_t c = 0; c < to; ++c) out[p * to + c] = c < from ? pooled[p * from + c] : Stored{};
}

template <ShortcutShape S, class Stored>
void shortcut_backward(int batch, const Stored* dy, Stored* dx, const RoundingNoise& noise = {}) {
  constexpr std::size_t from = static_cast<std::size_t>(S.in.channels),
                        to = static_cast<std::size_t>(S.channels_out);
  const std::size_t pixels = static_cast<std::size_t>(batch) * S.out().pixels();
  std::vector<Stored> pooled(pixels * from);
  for (std::size_t p = 0; p < pixels; ++p)
    for (std::size_t c = 0; c < from; ++c) pooled[p * from + c] = dy[p * to + c];
  pool_backward<S.pool()>(batch, pooled.data(), dx, dx, noise);
}

}  // namespace sdepth::inline SDEPTH_ISA::reference
