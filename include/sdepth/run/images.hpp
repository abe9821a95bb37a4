// Images as a user has them: bytes or floats, channels last or first, said by the type.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>

#include <sdepth/core/error.hpp>
#include <sdepth/core/shape.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// [N, H, W, C]: bytes (0 … 255, read as byte/255) or floats (read as they are).
template <class T>
struct NHWC {
  static_assert(std::is_same_v<T, std::uint8_t> || std::is_same_v<T, float>,
                "NHWC<T>: images are bytes (std::uint8_t) or float");
  std::span<const T> values;
};

/// [N, C, H, W], PyTorch's order; else as NHWC.
template <class T>
struct NCHW {
  static_assert(std::is_same_v<T, std::uint8_t> || std::is_same_v<T, float>,
                "NCHW<T>: images are bytes (std::uint8_t) or float");
  std::span<const T> values;
};

template <class T>
inline constexpr bool is_images = false;
template <class T>
inline constexpr bool is_images<NHWC<T>> = true;
template <class T>
inline constexpr bool is_images<NCHW<T>> = true;
/// Numbers whose order is known: NHWC<T> or NCHW<T>.
template <class T>
concept Images = is_images<T>;

namespace detail {

/// What is said to a user who gives something else: numbers alone do not tell in which order they are.
template <class Result, class Given>
Result wrap_the_images() {
  static_assert(
      is_images<Given>,
      "images: wrap the numbers, which do not say their order themselves: step(NHWC<float>{images}, labels), or NCHW");
  fail("images: the numbers are not wrapped");
}

/// How many images of `shape` there are. Throws Error where the numbers are not a whole number of images.
template <template <class> class Layout, class T>
[[nodiscard]] int image_count(Shape shape, const Layout<T>& images) {
  if (images.values.size() % shape.size() != 0)
    fail("images: expected a multiple of ", shape.size(), " numbers (", shape.channels, " channels of ",
         shape.height, " x ", shape.width, "), found ", images.values.size());
  const std::size_t count = images.values.size() / shape.size();
  if (count > static_cast<std::size_t>(std::numeric_limits<int>::max()))
    fail("images: expected at most ", std::numeric_limits<int>::max(), " at once, found ", count);
  return static_cast<int>(count);
}

/// Copies images [first, first + count) to where `to` says; what lies between their numbers is left alone.
template <template <class> class Layout, class T, class Number>
void copy_images(Shape shape, const Layout<T>& images, int first, int count, const ImageLayout& to,
                 Number* out) {
  const auto channels = static_cast<std::size_t>(shape.channels),
             width = static_cast<std::size_t>(shape.width);
  const T* in = images.values.data() + static_cast<std::size_t>(first) * shape.size();
  const auto number = [](T value) {
    if constexpr (std::is_same_v<T, std::uint8_t>)
      return static_cast<Number>(static_cast<float>(value) / 255.0f);
    else
      return static_cast<Number>(value);
  };
  constexpr bool channels_last = std::is_same_v<Layout<T>, NHWC<T>>;
  for (int n = 0; n < count; ++n, in += shape.size(), out += to.size)
    for (std::size_t h = 0; h < static_cast<std::size_t>(shape.height); ++h) {
      Number* row = out + to.first + h * to.row;
      if (channels_last && to.pixel == channels) {  // a row in one piece
        for (std::size_t i = 0; i < width * channels; ++i) row[i] = number(in[h * width * channels + i]);
        continue;
      }
      for (std::size_t w = 0; w < width; ++w)
        for (std::size_t c = 0; c < channels; ++c)
          row[w * to.pixel + c] = number(channels_last ? in[(h * width + w) * channels + c]
                                                       : in[c * shape.pixels() + h * width + w]);
    }
}
/// The same to [N, H, W, stride], stride ≥ C.
template <template <class> class Layout, class T, class Number>
void copy_images(Shape shape, const Layout<T>& images, int first, int count, std::size_t stride,
                 Number* out) {
  copy_images(shape, images, first, count,
              ImageLayout{0, static_cast<std::size_t>(shape.width) * stride, stride, shape.pixels() * stride},
              out);
}

}  // namespace detail

}  // namespace sdepth::inline SDEPTH_ISA
