// How exactly matrix products are computed on the device.
#pragma once

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

enum class Precision {
  float32,  // as on the CPU
  /// Tensor cores: factors with 10 bits of mantissa (relative error 2^-11 each), sums in float32. Before
  /// compute capability 8.0 the same as float32.
  tf32,
  /// Tensor cores, float32's accuracy: each factor is the sum of two TF32 numbers, and of their four products
  /// the three largest are added, so that what is lost is 2^-21 of a product; sums outside of the tensor
  /// cores, which round towards zero (tensor_factor.hpp). Source: CUTLASS's OpMultiplyAddFastF32. Before 8.0
  /// the same as float32.
  tf32x3
};

/// Products of TF32 numbers that stand for one of float32: 0, no tensor cores; 1 or 3.
[[nodiscard]] constexpr int tf32_products(Precision precision) noexcept {
  return precision == Precision::float32 ? 0 : precision == Precision::tf32 ? 1 : 3;
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
