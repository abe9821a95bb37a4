// What a thread holds of a tensor core's factor: its numbers rounded to TF32, or, where three products stand
// for one, as a sum of two of these.
#pragma once

#include <bit>
#include <cstdint>

#include <sdepth/kernels/cuda/instructions.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// @tparam products  1 or 3: see tf32_products   @tparam count  numbers of a thread: 4 of the first factor, 2
///                   of the second
template <int products, int count>
struct TensorFactor {
  static constexpr bool split = products == 3;
  std::uint32_t high[static_cast<unsigned>(count)];
  // what rounding has left; infinity leaves NaN
  std::uint32_t low[split ? static_cast<unsigned>(count) : 1U];

  __device__ __forceinline__ void set(int i, float x) {
    high[i] = to_tf32(x);
    // of the other bits the instruction says nothing
    if constexpr (split) low[i] = to_tf32(x - std::bit_cast<float>(high[i] & 0xFFFFE000U));
  }
  /// The same of a number that is rounded already where there is one product.
  __device__ __forceinline__ void set_prepared(int i, float x) {
    if constexpr (split)
      set(i, x);
    else
      high[i] = std::bit_cast<std::uint32_t>(x);
  }
};

/// sum += a·b: see multiply_add of single numbers.
///
/// Tensor cores round sums towards zero, always by half a bit of float32 on average and in one direction:
/// over hundreds of products that would be several bits. Where three products stand for one, theirs are
/// summed by themselves, the largest last, and added to the sum by an addition that rounds to nearest.
/// Source: Ootomo, Yokota, "Recovering single precision accuracy from Tensor Cores while surpassing the FP32
/// theoretical peak performance", 2022.
template <int products>
__device__ __forceinline__ void multiply_add(float (&sum)[4], const TensorFactor<products, 4>& a,
                                             const TensorFactor<products, 2>& b) {
  if constexpr (products == 3) {
    float own[4] = {};
    multiply_add(own, a.low, b.high);
    multiply_add(own, a.high, b.low);
    multiply_add(own, a.high, b.high);
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] += own[i];
  } else {
    multiply_add(sum, a.high, b.high);
  }
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
