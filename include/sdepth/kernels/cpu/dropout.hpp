// Dropout on rows of pixels that lie in L1.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include <sdepth/kernels/dropout.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Multiplies `pixels` pixels by the mask's factors; the padding behind a pixel's channels is left alone. One
/// function for all stages.
/// @param first  the first pixel's number in the batch   @param pitch  numbers from pixel to pixel
inline void apply_dropout(const DropoutMask& mask, int channels, std::uint32_t first, int pixels, int pitch,
                          float* v) {
  const std::uint32_t groups = channel_groups(channels);
  for (int p = 0; p < pixels; ++p, v += pitch)
    for (std::uint32_t g = 0; g < groups; ++g) {
      const auto words = mask.words((first + static_cast<std::uint32_t>(p)) * groups + g);
      const int begin = static_cast<int>(4 * g), count = std::min(4, channels - begin);
      for (int c = 0; c < count; ++c) v[begin + c] *= mask.factor(words[static_cast<std::size_t>(c)]);
    }
}

}  // namespace sdepth::inline SDEPTH_ISA::cpu
