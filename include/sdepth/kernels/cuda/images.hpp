// Images from an upload buffer to what a walk reads, on the device: bytes are a quarter of the floats' way
// over the bus.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <type_traits>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/vector.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Whether a pixel's channels lie side by side, [N, H, W, C], or each channel by itself, [N, C, H, W].
enum class ImageOrder { channels_last, channels_first };

template <class Stored>
struct ImageOperands {
  const void* from = nullptr;
  Stored* out = nullptr;
  unsigned numbers = 0;  // of out
  unsigned channels = 0;
  unsigned pixels = 0;  // of an image
  unsigned stride = 0;

  friend bool operator==(const ImageOperands&, const ImageOperands&) = default;
};

/// 8 warps, 4 numbers a thread, which it writes together; what it reads lies in few lines, of which the
/// neighbours read the rest.
inline constexpr unsigned image_threads = 256;

template <bool bytes, bool channels_last, class Stored>
__global__ void __launch_bounds__(image_threads) image_kernel(const ImageOperands<Stored> o) {
  begin_behind_launch_before();
  const unsigned first = (blockIdx.x * image_threads + threadIdx.x) * quad;
  if (first >= o.numbers) return;
  unsigned c = first % o.stride, pixel = first / o.stride;  // of the batch
  float v[quad];
#pragma unroll
  for (float& number : v) {
    number = 0.0F;
    if (c < o.channels && pixel * o.stride + c < o.numbers) {
      const std::size_t at =
          channels_last
              ? static_cast<std::size_t>(pixel) * o.channels + c
              : (static_cast<std::size_t>(pixel / o.pixels) * o.channels + c) * o.pixels + pixel % o.pixels;
      if constexpr (bytes)
        number = static_cast<float>(static_cast<const std::uint8_t*>(o.from)[at]) / 255.0F;
      else
        number = static_cast<const float*>(o.from)[at];
    }
    if (++c == o.stride) c = 0, ++pixel;
  }
  if (o.numbers - first >= quad)
    store_4(o.out + first, make_float4(v[0], v[1], v[2], v[3]));
  else
#pragma unroll
    for (unsigned i = 0; i < quad; ++i)
      if (first + i < o.numbers) o.out[first + i] = static_cast<Stored>(v[i]);
}

/// `batch` images of `shape` at `from` as floats [N, H, W, stride]: bytes as byte/255, floats as they are,
/// zeros from C on. Pointers are the device's.
///
/// @pre  stride ≥ C.   Throws Error where out would have 2^32 - 1 numbers (16 GB) or more.
template <class T, class Stored>
void copy_images(Context& context, Shape shape, ImageOrder order, int batch, const T* from, int stride,
                 Stored* out) {
  constexpr bool bytes = std::is_same_v<T, std::uint8_t>;
  static_assert(bytes || std::is_same_v<T, float>, "copy_images: images are bytes (std::uint8_t) or float");
  const std::size_t numbers =
      static_cast<std::size_t>(batch) * shape.pixels() * static_cast<std::size_t>(stride);
  constexpr std::size_t block = image_threads * quad, most = std::numeric_limits<unsigned>::max() - block;
  if (numbers > most)
    fail("images: expected at most ", most, " numbers in a batch, found ", numbers, " (", batch,
         " images of ", shape.height, " x ", shape.width, ", ", stride,
         " numbers a pixel); use a smaller batch");
  const ImageOperands<Stored> operands{from,
                                       out,
                                       static_cast<unsigned>(numbers),
                                       static_cast<unsigned>(shape.channels),
                                       static_cast<unsigned>(shape.pixels()),
                                       static_cast<unsigned>(stride)};
  context.launch(StageName{"copy_images", shape, {stride, shape.height, shape.width}, batch},
                 order == ImageOrder::channels_last ? image_kernel<bytes, true, Stored>
                                                    : image_kernel<bytes, false, Stored>,
                 Grid{.x = static_cast<unsigned>((numbers + block - 1) / block), .threads = image_threads},
                 operands);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
