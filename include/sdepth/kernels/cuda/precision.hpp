// How exactly matrix products are computed on the device.
#pragma once

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

enum class Precision {
  float32,  // as on the CPU
  // tensor cores: factors with 10 bits of mantissa (relative error 2^-11 each), sums in float32. Before
  // compute capability 8.0 the same as float32
  tf32
};

}  // namespace sdepth::inline SDEPTH_ISA::cuda
