// Which kernel runs which convolution.
#pragma once

#include <sdepth/kernels/cpu/direct.hpp>

namespace sdepth::cpu {

/// Direct kernels for every shape.
struct Direct {
  template <class Arch, ConvShape S>
  using Forward = DirectForward<Arch, S>;
  template <class Arch, ConvShape S>
  using InputGradient = DirectInputGradient<Arch, S>;
  template <class Arch, ConvShape S, Scratch V, Scratch D>
  using WeightGradient = DirectWeightGradient<Arch, S, V, D>;
};

}  // namespace sdepth::cpu
