// What the backends on the host share: their memory, which everyone reaches, and the few numbers per channel
// of batch normalisation.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/operands.hpp>
#include <sdepth/kernels/workspace.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// For the walk: a pointer by which kernels read and write the numbers of a Storage, or only read them. @see
/// HostBackend::Storage
template <class T>
[[nodiscard]] T* for_kernels(Buffer<T>& buffer) noexcept {
  return buffer.data();
}
template <class T>
[[nodiscard]] const T* for_kernels(const Buffer<T>& buffer) noexcept {
  return buffer.data();
}

/// What a backend is besides its kernels, for kernels that run where everything else does.
/// @tparam T  what is computed with   @tparam Stored_  what activations and their gradients lie in memory as
template <class T, class Stored_ = T>
struct HostBackend {
  using Scalar = T;
  using Stored = Stored_;
  using Context = Workspace<T>;
  using Loss = LossResult;  // what the losses return: a LossResult, or something whose get() waits for one
  using ActivationArena = Arena;
  /// Numbers that kernels alone read and write.
  template <class Number>
  using Memory = Buffer<Number>;
  /// Numbers that both kernels and everyone else read and write: parameters, gradients.
  template <class Number>
  using Storage = Buffer<Number>;
  /// Whether pointers to kernels' memory may be followed by everyone.
  static constexpr bool addressable = true;
  /// Whether results are there when a kernel returns.
  static constexpr bool synchronous = true;
  /// Whether what a block launches is recorded and replayed as one, for which its memory stays in the same
  /// place from step to step.
  static constexpr bool replays = false;

  /// Whether stages take what follows from their sums: Statistics::norm, SourceSums::norm.
  static constexpr bool prepares_norms = false;

  /// y = scale·x + shift from a mean and a biased variance: scale = γ/sqrt(variance + eps), shift = β −
  /// mean·scale, both times branch_scale.
  static void norm_forward(Context&, std::size_t channels, const NormForward<T>& n, const T* mean,
                           const T* variance) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double inverse = 1.0 / std::sqrt(static_cast<double>(variance[c]) + n.eps);
      const double factor = n.branch_scale * static_cast<double>(n.gamma[c]) * inverse;
      n.norm.mean[c] = mean[c];
      n.norm.inverse_deviation[c] = static_cast<T>(inverse);
      n.norm.scale[c] = static_cast<T>(factor);
      n.norm.shift[c] = static_cast<T>(n.branch_scale * static_cast<double>(n.beta[c]) -
                                       static_cast<double>(mean[c]) * factor);
    }
  }
  /// y = branch_scale·x.
  static void norm_scale(Context&, std::size_t channels, const Norm<T>& norm, double branch_scale) {
    for (std::size_t c = 0; c < channels; ++c) {
      norm.mean[c] = norm.shift[c] = norm.gradient_slope[c] = norm.gradient_offset[c] = T{0};
      norm.inverse_deviation[c] = T{1};
      norm.scale[c] = norm.gradient_scale[c] = static_cast<T>(branch_scale);
    }
  }
  /// γ's and β's gradients from Σ dz and Σ dz·x̂ and dx = A·dz + B·(x − mean) + D with A = γ/σ, B = −A/σ ·
  /// mean(dz·x̂), D = −A · mean(dz). Then the running statistics: here, so that a step whose loss is not
  /// finite leaves them alone.
  static void norm_backward(Context& context, std::size_t channels, const NormBackward<T>& n, const T* dz,
                            const T* dz_normalised) {
    for (std::size_t c = 0; c < channels; ++c) {
      const auto sum = static_cast<double>(dz[c]), sum_normalised = static_cast<double>(dz_normalised[c]);
      const double inverse = static_cast<double>(n.norm.inverse_deviation[c]),
                   a = n.branch_scale * static_cast<double>(n.gamma[c]) * inverse;
      n.gamma_gradient[c] = static_cast<T>(n.branch_scale * sum_normalised);
      n.beta_gradient[c] = static_cast<T>(n.branch_scale * sum);
      n.norm.gradient_scale[c] = static_cast<T>(a);
      n.norm.gradient_slope[c] = static_cast<T>(-a * inverse * sum_normalised / n.count);
      n.norm.gradient_offset[c] = static_cast<T>(-a * sum / n.count);
      const RunningUpdate<T>& running = n.running;
      if (!running.mean || n.count < 2) continue;
      const auto mix = [&](T old, double now) {
        return static_cast<T>((1 - running.momentum) * static_cast<double>(old) + running.momentum * now);
      };
      running.mean[c] = mix(running.mean[c], static_cast<double>(n.norm.mean[c]));
      running.variance[c] =
          mix(running.variance[c], static_cast<double>(running.batch_variance[c]) * n.count / (n.count - 1));
    }
    context.add_up_norm_gradient(n.gamma_gradient, channels);
    context.add_up_norm_gradient(n.beta_gradient, channels);
  }
  /// Adds a batch's mean and unbiased variance to sums over batches.
  static void add_statistics(Context&, std::size_t channels, double count, const T* mean, const T* variance,
                             double* mean_sum, double* variance_sum) {
    for (std::size_t c = 0; c < channels; ++c) {
      mean_sum[c] += static_cast<double>(mean[c]);
      variance_sum[c] += static_cast<double>(variance[c]) * count / (count - 1);
    }
  }

  /// `count` numbers of kernels' memory: something whose get() waits for the kernels that write them.
  [[nodiscard]] static ReadNumbers<T> read(Context&, const T* numbers, std::size_t count) {
    return {{numbers, count}};
  }

  /// The same numbers as activations have them in memory, and as everyone computes with them.
  /// @param image  with its channels as they lie in memory
  static void store_numbers(Context& context, int batch, const Shape& image, const T* numbers,
                            Stored* stored) {
    const Written<Stored> written{context.rounding().next(), image.channels,
                                  static_cast<std::size_t>(context.parts(batch, 1).first) * image.pixels()};
    const std::size_t count = static_cast<std::size_t>(batch) * image.size();
    for (std::size_t i = 0; i < count; ++i) stored[i] = written(numbers[i], i);
  }
  static void load_numbers(Context&, std::size_t count, const Stored* stored, T* numbers) {
    for (std::size_t i = 0; i < count; ++i) numbers[i] = static_cast<T>(stored[i]);
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
