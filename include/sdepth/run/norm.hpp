// Batch normalisation between stages: from a batch's statistics to the numbers a stage applies, and from the
// backward sums to its gradients.
#pragma once

#include <cstddef>

#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::detail {

/// One batch normalisation of a walk: what kernels apply, and where its parameters and gradients are. All
/// arrays hold `channels` numbers.
///
/// `branch_scale` multiplies the output (see schedule/scaling.hpp; 1 for norms inside a branch): it costs
/// nothing, since it goes into scale and shift. A NormState without gamma only scales.
template <class T>
struct NormState : Norm<T> {
  std::size_t channels = 0;  // padded
  double branch_scale = 1;
  double count = 0;  // numbers per channel in the batch
  const T* gamma = nullptr;
  const T* beta = nullptr;
  T* gamma_gradient = nullptr;
  T* beta_gradient = nullptr;
  RunningUpdate<T> running;
  T* dz = nullptr;             // Σ dz, written by the stage that reads this norm's output, backward
  T* dz_normalised = nullptr;  // Σ dz·x̂

  [[nodiscard]] bool learned() const noexcept { return gamma != nullptr; }

  /// Takes memory for all arrays. @param channels_  padded
  template <class NormArena>
  void allocate(NormArena& arena, int channels_) {
    channels = static_cast<std::size_t>(channels_);
    T* next = arena.template take<T>(9 * channels);
    for (T** array :
         {&this->mean, &this->inverse_deviation, &this->scale, &this->shift, &this->gradient_scale,
          &this->gradient_slope, &this->gradient_offset, &dz, &dz_normalised}) {
      *array = next;
      next += channels;
    }
  }
  /// A norm at test whose scale and shift are there, [2][channels], and which kernels only read.
  void take(const T* scale_and_shift, int channels_) noexcept {
    *this = {};
    channels = static_cast<std::size_t>(channels_);
    this->scale = const_cast<T*>(scale_and_shift);
    this->shift = this->scale + channels;
  }
  /// How many numbers allocate() takes.
  [[nodiscard]] static constexpr std::size_t storage(int channels) noexcept {
    return 9 * static_cast<std::size_t>(channels);
  }

  [[nodiscard]] NormForward<T> forward(double eps) const noexcept {
    return {*this, branch_scale, eps, gamma, beta};
  }
  [[nodiscard]] NormBackward<T> backward() const noexcept {
    return {*this, branch_scale, count, gamma, gamma_gradient, beta_gradient, running};
  }
  /// Once mean and variance of the batch, or the running ones, are known.
  template <class Backend>
  void prepare(typename Backend::Context& context, const T* mean_, const T* variance, double eps) const {
    Backend::norm_forward(context, channels, forward(eps), mean_, variance);
  }
  /// For a branch that does not end in a BN: y = branch_scale·x.
  template <class Backend>
  void prepare_scale_only(typename Backend::Context& context) const {
    Backend::norm_scale(context, channels, *this, branch_scale);
  }
  /// Once dz and dz_normalised are complete. @param dz_  Σ dz
  template <class Backend>
  void prepare_backward(typename Backend::Context& context, const T* dz_) const {
    Backend::norm_backward(context, channels, backward(), dz_, dz_normalised);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA::detail
