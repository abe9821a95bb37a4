// Which kernel runs which convolution: chosen at compile time, from the shape and the sizes of the caches.
//
//   3×3 of stride 1, 16 channels or more, tiles mostly inside the image   Winograd
//   the same for inference, where U would take longer to read than all of direct convolution: few tiles, 512 channels at 7×7   direct
//   all others                                                            direct
#pragma once

#include <algorithm>
#include <type_traits>

#include <sdepth/kernels/cpu/winograd.hpp>

namespace sdepth::inline SDEPTH_ISA::cpu {

/// Direct kernels for every shape.
template <class Arch, ConvShape S, Caches C>
struct DirectKernels {
  static constexpr Scratch v_scratch = input_scratch<Arch, S>, d_scratch = gradient_scratch<Arch, S>;
  using Forward = DirectForward<Arch, S, v_scratch, C>;
  template <Scratch From>
  using ForwardFrom = DirectForward<Arch, S, From, C>;
  /// What inference runs, on one or a few images.
  using Inference = Forward;
  template <Scratch From>
  using InferenceFrom = ForwardFrom<From>;
  using InputGradient = DirectInputGradient<Arch, S, C>;
  using WeightGradient = DirectWeightGradient<Arch, S, v_scratch, d_scratch>;
};

/// Whether Winograd is faster for one image, too, whose weights are read for it alone. U has four times the numbers of the weights, and few tiles share it:
/// it pays where multiply-adds, or reading U, take less time than direct convolution's. Weights that fit L2 come at 32 bytes a cycle, up to a share of L3 of
/// 16 L2s at 8, all others from memory at 3 (12 GB/s at 4 GHz). Two vectors of multiply-adds a cycle, one of 64 bytes.
template <class Arch>
[[nodiscard]] constexpr bool winograd_pays_for_one_image(const ConvShape& s, const Caches& caches) noexcept {
  const double matrix = static_cast<double>(s.in.channels) * s.channels_out;
  const auto cycles = [&](double products, double numbers) {
    const double bytes = 4 * numbers * matrix, l2 = caches.l2;
    const double rate = bytes <= l2 ? 32.0 : bytes <= 16 * l2 ? 8.0 : 3.0;
    return std::max(products * matrix / std::min(2 * lanes<Arch>, 16), bytes / rate);
  };
  const double tiles = tiles_of(s.out().height) * tiles_of(s.out().width), pixels = s.out().height * s.out().width;
  return cycles(winograd_positions * tiles, winograd_positions) < cycles(9 * pixels, 9);
}

template <class Arch, ConvShape S, Caches C>
struct WinogradKernels {
  static constexpr Scratch v_scratch = winograd_input_scratch<Arch, S>, d_scratch = winograd_gradient_scratch<Arch, S>;
  using Forward = WinogradForward<Arch, S, v_scratch, C>;
  template <Scratch From>
  using ForwardFrom = WinogradForward<Arch, S, From, C>;
  static constexpr bool for_one_image = winograd_pays_for_one_image<Arch>(S, C);
  using Inference = std::conditional_t<for_one_image, Forward, typename DirectKernels<Arch, S, C>::Forward>;
  template <Scratch From>
  using InferenceFrom = std::conditional_t<for_one_image, ForwardFrom<From>, DirectForward<Arch, S, From, C>>;
  using InputGradient = WinogradInputGradient<Arch, S, C>;
  using WeightGradient = WinogradWeightGradient<Arch, S, v_scratch, d_scratch>;
};

/// Whether Winograd is the faster one. It saves three quarters of the multiplications at best, less where tiles reach beyond the image; below half it does
/// not pay for its transforms, whose work grows with C_in + C_out where the product's grows with C_in·C_out: 16 channels are the least that was measured to gain.
[[nodiscard]] constexpr bool winograd_pays(const ConvShape& s) noexcept {
  if (s.kernel != 3 || s.stride != 1 || s.padding > 2 || s.network_input) return false;
  const int tiles = tiles_of(s.out().height) * tiles_of(s.out().width);
  return 2 * winograd_positions * tiles <= 9 * s.out().height * s.out().width && std::min(s.in.channels, s.channels_out) >= 16;
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
  using Kernels = std::conditional_t<winograd_pays(S), WinogradKernels<Arch, S, C>, DirectKernels<Arch, S, C>>;
};
/// The same for the caches that are taken where nothing is said: see caches.hpp.
struct Fastest {
  template <class Arch, ConvShape S>
  using Kernels = typename FastestOn<default_caches<Arch>>::template Kernels<Arch, S>;
};

}  // namespace sdepth::inline SDEPTH_ISA::cpu
