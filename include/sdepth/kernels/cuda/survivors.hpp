// Where each image has gates of its own: a block's survivors are copied side by side, and what becomes of
// them back to their places.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Which images of a batch survive, a bit each: few enough bytes for a kernel to get them by value, so that
/// nothing is sent.
struct Survivors {
  static constexpr int most = 4096;
  std::array<std::uint32_t, most / 32> words{};

  /// @param gates  [batch], 1 open; null: all survive   Throws Error where there are too many images.
  [[nodiscard]] static Survivors of(const std::uint8_t* gates, int batch) {
    if (batch > most)
      fail("gates for each image: expected at most ", most, " images in a batch on a GPU, found ", batch,
           "; use a smaller batch");
    Survivors all;
    for (int n = 0; n < batch; ++n)
      if (!gates || gates[n] != 0)
        all.words[static_cast<std::size_t>(n / 32)] |= std::uint32_t{1} << (n % 32);
    return all;
  }
  [[nodiscard]] constexpr bool has(unsigned image) const noexcept {
    return (words[image / 32] >> (image % 32) & 1U) != 0;
  }
  /// How many survivors there are before it: its place among them.
  [[nodiscard]] constexpr int before(unsigned image) const noexcept {
    int count = std::popcount(words[image / 32] & ((std::uint32_t{1} << (image % 32)) - 1));
    for (unsigned i = 0; i < image / 32; ++i) count += std::popcount(words[i]);
    return count;
  }

  friend bool operator==(const Survivors&, const Survivors&) = default;
};

struct MoveOperands {
  Survivors survivors;
  const float4* from = nullptr;
  float4* to = nullptr;
  std::size_t pieces = 0;  // of 16 bytes, of an image

  friend bool operator==(const MoveOperands&, const MoveOperands&) = default;
};

/// From a tensor of all images to one of the survivors; back, where the others' images stay as they are; or
/// back, where the others' become zeros.
enum class Move { gather, scatter, scatter_among_zeros };

/// 16 bytes for each thread at a time; an image has some blocks of threads, and those of images that nothing
/// becomes of end at once.
inline constexpr unsigned move_threads = 256;
template <Move move>
__global__ void __launch_bounds__(move_threads) move_images_kernel(const MoveOperands o) {
  begin_behind_launch_before();
  const unsigned image = blockIdx.y;
  const bool survives = o.survivors.has(image);
  if (!survives && move != Move::scatter_among_zeros) return;
  const std::size_t own = static_cast<std::size_t>(image) * o.pieces,
                    beside = static_cast<std::size_t>(o.survivors.before(image)) * o.pieces;
  const float4* const from = o.from + (move == Move::gather ? own : beside);
  float4* const to = o.to + (move == Move::gather ? beside : own);
  for (std::size_t i = static_cast<std::size_t>(blockIdx.x) * move_threads + threadIdx.x; i < o.pieces;
       i += static_cast<std::size_t>(gridDim.x) * move_threads)
    to[i] = survives ? from[i] : float4{};
}

/// Copies images; see Move.
/// @param numbers  of an image, a multiple of 8
template <Move move, class Stored>
void move_images(Context& context, int batch, const Survivors& survivors, std::size_t numbers,
                 const Stored* from, Stored* to) {
  const MoveOperands o{survivors, reinterpret_cast<const float4*>(from), reinterpret_cast<float4*>(to),
                       numbers * sizeof(Stored) / sizeof(float4)};
  constexpr std::size_t of_block = std::size_t{4} * move_threads;
  context.launch(StageName{move == Move::gather ? "gather_images" : "scatter_images", {}, {}, batch},
                 move_images_kernel<move>,
                 Grid{.x = static_cast<unsigned>((o.pieces + of_block - 1) / of_block),
                      .y = static_cast<unsigned>(batch),
                      .threads = move_threads},
                 o);
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
