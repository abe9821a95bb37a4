// Pooling and the parameter-free shortcuts, on vectors of channels; parallel over images.
#pragma once

#include <algorithm>
#include <cstddef>

#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/direct.hpp>
#include <sdepth/kernels/cpu/rounding.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// The part of a window that lies inside the image: rows [top, bottom), columns [left, right).
struct Window {
  int top, bottom, left, right;
};
template <PoolShape S>
[[nodiscard]] constexpr Window window_at(int h, int w) noexcept {
  const int y = h * S.stride - S.padding, x = w * S.stride - S.padding;
  return {std::max(y, 0), std::min(y + S.window_height, S.in.height), std::max(x, 0),
          std::min(x + S.window_width, S.in.width)};
}

/// What each pixel of a window has of its average.
template <PoolShape S>
[[nodiscard]] constexpr float share_of(const Window& window) noexcept {
  const int pixels = S.ceil_mode ? (window.bottom - window.top) * (window.right - window.left)
                                 : S.window_height * S.window_width;
  return 1.0F / static_cast<float>(pixels);
}

/// Calls body(pixel of the window, as an index into [H, W]) in row-major order.
template <PoolShape S, class Body>
SDEPTH_INLINE void for_each_pixel(const Window& window, const Body& body) {
  for (int y = window.top; y < window.bottom; ++y)
    for (int x = window.left; x < window.right; ++x) body(static_cast<std::size_t>(y * S.in.width + x));
}

/// Calls body(window, output pixel's index in [H, W]) for every output pixel of an image.
template <PoolShape S, class Body>
void for_each_window(const Body& body) {
  constexpr Shape out = S.out();
  for (int h = 0; h < out.height; ++h)
    for (int w = 0; w < out.width; ++w) body(window_at<S>(h, w), static_cast<std::size_t>(h * out.width + w));
}
/// Calls body(n, thread) for every image, in parallel.
template <int Parts, class Body>
void for_each_image(Workspace<float>& context, int batch, const Body& body) {
  parallel_for(Parts, context.threads(), [&](int part, int thread) {
    const Range range = part_of(batch, Parts, part);
    for (int n = range.first; n < range.last; ++n) body(static_cast<std::size_t>(n), thread);
  });
}

/// One vector of channels of a window: its average, padding counted, or its maximum, which is NaN where any
/// number is. in: the image at these channels, rows and pixels so many numbers apart.
template <class Arch, PoolShape S, class Stored>
SDEPTH_INLINE Vector<Arch> pool_window(const Window& window, const Stored* in, std::size_t row,
                                       std::size_t step) {
  const auto at = [&](int y, int x) {
    return load<Arch>(in + static_cast<std::size_t>(y) * row + static_cast<std::size_t>(x) * step);
  };
  Vector<Arch> result = S.kind == PoolKind::average ? all<Arch>(0.0F) : at(window.top, window.left);
  for (int y = window.top; y < window.bottom; ++y)
    for (int x = window.left; x < window.right; ++x) {
      const Vector<Arch> value = at(y, x);
      result = S.kind == PoolKind::average ? result + value
                                           : xsimd::select(displaces<Arch>(value, result), value, result);
    }
  if constexpr (S.kind == PoolKind::average) result = result * all<Arch>(share_of<S>(window));
  return result;
}

/// out [N, H', W', C'] from in [N, H, W, C']; for a shortcut, out has channels_out ≥ C channels, the further
/// ones zero.
template <class Arch, int Parts, PoolShape S, int ChannelsOut, class Stored>
void pool_forward(Workspace<float>& context, int batch, const Stored* in, Stored* out) {
  constexpr auto from = static_cast<std::size_t>(padded<Arch>(S.in.channels)),
                 to = static_cast<std::size_t>(padded<Arch>(ChannelsOut));
  constexpr std::size_t row = static_cast<std::size_t>(S.in.width) * from;
  constexpr Shape out_image{static_cast<int>(to), S.out().height, S.out().width};
  const auto rounder = Rounder<Stored>::of(context, context.parts(batch, Parts).first);
  for_each_image<Parts>(context, batch, [&](std::size_t n, int) {
    const Stored* image = in + n * S.in.pixels() * from;
    for_each_window<S>([&](const Window& window, std::size_t pixel) {
      Stored* result = out + (n * S.out().pixels() + pixel) * to;
      for (std::size_t c = 0; c < from; c += lanes<Arch>) {
        Vector<Arch> value[1][1] = {{pool_window<Arch, S>(window, image + c, row, from)}};
        // a maximum is one of the numbers that it is of
        if constexpr (Rounder<Stored>::rounds && S.kind == PoolKind::average)
          if (rounder)
            rounder.at(static_cast<int>(n), S.out().pixels(), pixel)
                .template tile<Arch, out_image>(0, 0, static_cast<int>(c), all<Arch>(-0.0F), value);
        store<Arch>(result + c, value[0][0]);
      }
      std::fill(result + from, result + to, Stored{});
    });
  });
}

/// dx [N, H, W, C'], overwritten. The gradient of a maximum goes to its first place in row-major order, that
/// of a NaN to the last NaN; `in` is read for maxima only.
template <class Arch, int Parts, PoolShape S, int ChannelsOut, class Stored>
void pool_backward(Workspace<float>& context, int batch, const Stored* dy, const Stored* in, Stored* dx) {
  constexpr auto from = static_cast<std::size_t>(padded<Arch>(S.in.channels)),
                 to = static_cast<std::size_t>(padded<Arch>(ChannelsOut));
  constexpr std::size_t image = S.in.pixels() * from;
  constexpr bool in_place = std::is_same_v<Stored, float>;  // else sums are rounded when they are complete
  if constexpr (!in_place) context.reserve(image, 0);
  const auto rounder = Rounder<Stored>::of(context, context.parts(batch, Parts).first);
  for_each_image<Parts>(context, batch, [&](std::size_t n, int thread) {
    float* sums = nullptr;
    if constexpr (in_place)
      sums = dx + n * image;
    else
      sums = context.of_thread(thread);
    std::fill_n(sums, image, 0.0F);
    for_each_window<S>([&](const Window& window, std::size_t pixel) {
      for (std::size_t c = 0; c < from; c += lanes<Arch>) {
        const Stored* received = dy + (n * S.out().pixels() + pixel) * to + c;
        Vector<Arch> gradient = load<Arch>(received);
        // A shortcut's further channels end here: they must not come in through the lanes beyond C.
        if constexpr (ChannelsOut > S.in.channels && S.in.channels % lanes<Arch> != 0)
          if (c + lanes<Arch> == from) gradient = load_first<Arch, S.in.channels % lanes<Arch>>(received);
        float* result = sums + c;
        if constexpr (S.kind == PoolKind::average) {
          const Vector<Arch> share = gradient * all<Arch>(share_of<S>(window));
          for_each_pixel<S>(window, [&](std::size_t p) {
            store<Arch>(result + p * from, load<Arch>(result + p * from) + share);
          });
        } else {
          const Stored* values = in + n * image + c;
          Vector<Arch> best =
              load<Arch>(values + static_cast<std::size_t>(window.top * S.in.width + window.left) * from);
          // which of the window's pixels that is, counted in floats, which are exact up to 2^24
          Vector<Arch> place = all<Arch>(0.0F);
          float next = 0;
          for_each_pixel<S>(window, [&](std::size_t p) {
            const Vector<Arch> value = load<Arch>(values + p * from);
            const auto better = displaces<Arch>(value, best);
            best = xsimd::select(better, value, best);
            place = xsimd::select(better, all<Arch>(next), place);
            next += 1;
          });
          next = 0;
          for_each_pixel<S>(window, [&](std::size_t p) {
            const Vector<Arch> taken = xsimd::select(place == all<Arch>(next), gradient, all<Arch>(0.0F));
            store<Arch>(result + p * from, load<Arch>(result + p * from) + taken);
            next += 1;
          });
        }
      }
    });
    if constexpr (!in_place) {
      if (rounder)
        rounder.at(static_cast<int>(n), S.in.pixels())
            .template rows<Arch>(static_cast<int>(from), 0, static_cast<int>(S.in.pixels()), sums);
      copy_numbers<Arch>(sums, image, dx + n * image);
    }
  });
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
