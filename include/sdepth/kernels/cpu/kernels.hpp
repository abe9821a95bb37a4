// Which kernel runs which convolution: chosen at compile time, from the shape and the sizes of the caches.
//
//   3×3 of stride 1, 16 channels or more, tiles mostly inside the image   Winograd's F(4×4, 3×3)
//   all others                                                            direct
//   of both, with 256 output channels or more and weights (or U) larger than half of L2   weights packed in the order in which they are read
//
// Inference with AVX-512 reads half of U's numbers where an image has few tiles, or many in L1, and makes
// the others: see winograd_inference.hpp.
//
// Packing pays for one image, too, for which Winograd reads four times the numbers of the weights: 512
// channels at 7×7 take 1.3 ms with AVX2 where the packed direct kernel takes 7.9 (measured on Zen 4).
// Networks of at most 64 channels pack nothing.
#pragma once

#include <algorithm>
#include <type_traits>

#include <sdepth/kernels/cpu/winograd_inference.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Direct kernels for every shape. ForwardFrom is the forward of inference.
template <class Arch, ConvShape S, Caches C>
struct DirectKernels {
  static constexpr Scratch v_scratch = input_scratch<Arch, S>, d_scratch = gradient_scratch<Arch, S>;
  using Forward = DirectForward<Arch, S, v_scratch, C>;
  template <Scratch From>
  using ForwardFrom = DirectForward<Arch, S, From, C>;
  using InputGradient = DirectInputGradient<Arch, S, C>;
  using WeightGradient = DirectWeightGradient<Arch, S, v_scratch, d_scratch>;
};

template <class Arch, ConvShape S, Caches C>
struct WinogradKernels {
  static constexpr Scratch v_scratch = winograd_input_scratch<Arch, S>,
                           d_scratch = winograd_gradient_scratch<Arch, S>;
  using Forward = WinogradForward<Arch, S, v_scratch, C>;
  template <Scratch From>
  using ForwardFrom =
      std::conditional_t<making_rows_of_u_pays<Arch, S, C>(),
                         WinogradInference<Arch, From, output_image<Arch, S>, S.in.channels, S.channels_out>,
                         WinogradForward<Arch, S, From, C>>;
  using InputGradient = WinogradInputGradient<Arch, S, C>;
  using WeightGradient = WinogradWeightGradient<Arch, S, v_scratch, d_scratch>;
};

/// Whether Winograd is the faster one. It saves three quarters of the multiplications at best, less where
/// tiles reach beyond the image; below half it does not pay for its transforms, whose work grows with C_in +
/// C_out where the product's grows with C_in·C_out: 16 channels are the least that was measured to gain.
[[nodiscard]] constexpr bool winograd_pays(const ConvShape& s) noexcept {
  if (s.kernel != 3 || s.stride != 1 || s.padding > 2 || s.network_input) return false;
  const int tiles = tiles_of(s.out().height) * tiles_of(s.out().width);
  return 2 * winograd_positions * tiles <= 9 * s.out().height * s.out().width &&
         std::min(s.in.channels, s.channels_out) >= 16;
}

/// Direct kernels for every shape: for those who want each product of a convolution rounded as it stands.
struct Direct {
  template <class Arch, ConvShape S>
  using Kernels = DirectKernels<Arch, S, default_caches<Arch>>;
};
/// The faster of both, shape by shape, for a machine with the caches C.
template <Caches C>
struct FastestOn {
  template <class Arch, ConvShape S>
  using Kernels =
      std::conditional_t<winograd_pays(S), WinogradKernels<Arch, S, C>, DirectKernels<Arch, S, C>>;
};
/// The same for the caches that are taken where nothing is said: see caches.hpp.
struct Fastest {
  template <class Arch, ConvShape S>
  using Kernels = typename FastestOn<default_caches<Arch>>::template Kernels<Arch, S>;
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
