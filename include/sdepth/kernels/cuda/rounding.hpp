// Stochastic rounding of what kernels store in bfloat16: the random bits of kernels/rounding.hpp, so the same
// as on every backend. Four neighbouring channels of a pixel are half a group of random words.
//
// It comes before the store, and leaves numbers that a bfloat16 holds, which the store then rounds to
// themselves. Where rounding is to nearest a kernel that is bound by memory has one branch more, which all of
// a launch take alike, and a convolution nothing, as it is another kernel.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>
#include <type_traits>

#include <sdepth/core/bfloat16.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/rounding.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// bfloat16::stochastic, as a float. @param random  16 bits, whatever stands above them
[[nodiscard]] __device__ __forceinline__ float rounded_by(float x, std::uint32_t random) {
  constexpr std::uint32_t exponent = 0x7f800000, kept = 0xffff0000;
  const auto word = std::bit_cast<std::uint32_t>(x), sum = word + (random & 0xffff);
  const std::uint32_t finite = ((sum & exponent) == exponent ? word : sum) & kept;
  return (word & exponent) == exponent || (word & exponent) == 0 ? x : std::bit_cast<float>(finite);
}

/// How a kernel rounds one of its tensors: an operand, made by Context::next_rounding. Nothing of it changes
/// from step to step, as the number of the step is read from the device's memory; so a graph that has been
/// recorded is launched again as it is. Floats are stored as they are.
///
/// Pixels are counted over the images of the launch: processes do not share batches of bfloat16.
template <class Stored>
struct TensorRounding {
  [[nodiscard]] TensorRounding second() const noexcept { return {}; }
  [[nodiscard]] __device__ float4 round_4(const float4& v, int, std::uint32_t, int) const { return v; }
  [[nodiscard]] __device__ float round(float v, int, std::uint32_t, int) const { return v; }
  friend bool operator==(const TensorRounding&, const TensorRounding&) = default;
};
template <>
struct TensorRounding<bfloat16> {
  const std::uint32_t* step = nullptr;  // null: to nearest
  std::uint64_t seed = 0;
  std::uint32_t tensor = 0;

  /// Of a kernel that writes two tensors: the other one's.
  [[nodiscard]] TensorRounding second() const noexcept {
    return {step, seed, RoundingNoise{.tensor = tensor}.second().tensor};
  }
  /// Four neighbouring numbers of a pixel, once the launch before has ended.
  /// @param channels  of a pixel, padded or not   @param channel  the first of the four, a multiple of 4
  [[nodiscard]] __device__ __forceinline__ float4 round_4(const float4& v, int channels, std::uint32_t pixel,
                                                          int channel) const {
    if (!step) return v;
    // Philox's 20 keys would be made ahead of a loop over pixels, and kept in registers; the step, too, is
    // read where it is used.
    const RoundingNoise noise{not_ahead(seed), *step, tensor, true};
    const auto words =
        noise.words(pixel / 2 * rounding_groups(channels) + static_cast<std::uint32_t>(channel) / 4);
    const unsigned half = pixel % 2 * 16;
    return make_float4(rounded_by(v.x, words[0] >> half), rounded_by(v.y, words[1] >> half),
                       rounded_by(v.z, words[2] >> half), rounded_by(v.w, words[3] >> half));
  }
  /// One number.
  [[nodiscard]] __device__ __forceinline__ float round(float v, int channels, std::uint32_t pixel,
                                                       int channel) const {
    const float4 all = round_4(make_float4(v, v, v, v), channels, pixel, channel / 4 * 4);
    const int place = channel % 4;
    return place == 0 ? all.x : place == 1 ? all.y : place == 2 ? all.z : all.w;
  }

  friend bool operator==(const TensorRounding&, const TensorRounding&) = default;
};

/// Calls body(stochastic), a constant of that type, which it can make a template argument of its kernel: of
/// one whose registers a branch would not leave as they are.
template <class Stored, class Body>
void with_rounding([[maybe_unused]] const TensorRounding<Stored>& rounding, const Body& body) {
  if constexpr (std::is_same_v<Stored, bfloat16>)
    if (rounding.step) return body(std::true_type{});
  body(std::false_type{});
}

struct StepNumberOperands {
  std::uint32_t step = 0;
  std::uint32_t* to = nullptr;

  friend bool operator==(const StepNumberOperands&, const StepNumberOperands&) = default;
};
/// Writes the number of the step to where kernels read it. It is no part of a graph.
template <int threads>
__global__ void __launch_bounds__(threads) step_number_kernel(const StepNumberOperands o) {
  begin_behind_launch_before();
  if (threadIdx.x == 0) *o.to = o.step;
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
