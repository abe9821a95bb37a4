// Which kernel runs which convolution: chosen at compile time, from the shape alone.
#pragma once

#include <algorithm>
#include <type_traits>

#include <sdepth/kernels/cpu/winograd.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Direct kernels for every shape: for those who want each product of a convolution rounded as it stands.
struct Direct {
  template <class Arch, ConvShape S>
  struct Kernels {
    static constexpr Scratch v_scratch = input_scratch<Arch, S>, d_scratch = gradient_scratch<Arch, S>;
    using Forward = DirectForward<Arch, S>;
    template <Scratch From>
    using ForwardFrom = DirectForward<Arch, S, From>;
    using InputGradient = DirectInputGradient<Arch, S>;
    using WeightGradient = DirectWeightGradient<Arch, S, v_scratch, d_scratch>;
  };
};

struct Winograd {
  template <class Arch, ConvShape S>
  struct Kernels {
    static constexpr Scratch v_scratch = winograd_input_scratch<Arch, S>, d_scratch = winograd_gradient_scratch<Arch, S>;
    using Forward = WinogradForward<Arch, S>;
    template <Scratch From>
    using ForwardFrom = WinogradKernel<Arch, From, output_image<Arch, S>, S.in.channels, S.channels_out, false>;
    using InputGradient = WinogradInputGradient<Arch, S>;
    using WeightGradient = WinogradWeightGradient<Arch, S, v_scratch, d_scratch>;
  };
};

/// Whether Winograd is the faster one. It saves three quarters of the multiplications at best, less where tiles reach beyond the image; below half it does
/// not pay for its transforms, whose work grows with C_in + C_out where the product's grows with C_in·C_out: 16 channels are the least that was measured to gain.
[[nodiscard]] constexpr bool winograd_pays(const ConvShape& s) noexcept {
  if (s.kernel != 3 || s.stride != 1 || s.padding > 2 || s.network_input) return false;
  const int tiles = tiles_of(s.out().height) * tiles_of(s.out().width);
  return 2 * winograd_positions * tiles <= 9 * s.out().height * s.out().width && std::min(s.in.channels, s.channels_out) >= 16;
}

/// The faster of both, shape by shape.
struct Fastest {
  template <class Arch, ConvShape S>
  using Kernels = typename std::conditional_t<winograd_pays(S), Winograd, Direct>::template Kernels<Arch, S>;
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
