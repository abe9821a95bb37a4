// Batch normalisation between stages: from a batch's statistics to the numbers a stage applies, and from the backward sums to its gradients.
#pragma once

#include <cmath>
#include <cstddef>

#include <sdepth/core/memory.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth {

/// One batch normalisation of a walk: what kernels apply, and where its parameters and gradients are. All arrays hold `channels` numbers.
///
/// `branch_scale` multiplies the output (survival probability at test, 1/p in training, else 1): it costs nothing, since it goes into scale and shift.
/// A NormState without gamma only scales.
template <class T>
struct NormState : Norm<T> {
  std::size_t channels = 0;  // padded
  double branch_scale = 1;
  double count = 0;  // numbers per channel in the batch
  const T* gamma = nullptr;
  const T* beta = nullptr;
  T* gamma_gradient = nullptr;
  T* beta_gradient = nullptr;
  T* dz = nullptr;             // Σ dz, written by the stage that reads this norm's output, backward
  T* dz_normalised = nullptr;  // Σ dz·x̂

  [[nodiscard]] bool learned() const noexcept { return gamma != nullptr; }

  /// Takes memory for all arrays. @param channels_  padded
  void allocate(Arena& arena, int channels_) {
    channels = static_cast<std::size_t>(channels_);
    T* next = arena.take<T>(9 * channels);
    for (T** array : {&this->mean, &this->inverse_deviation, &this->scale, &this->shift, &this->gradient_scale, &this->gradient_slope,
                      &this->gradient_offset, &dz, &dz_normalised}) {
      *array = next;
      next += channels;
    }
  }
  /// How many numbers allocate() takes.
  [[nodiscard]] static constexpr std::size_t storage(int channels) noexcept { return 9 * static_cast<std::size_t>(channels); }

  /// y = scale·x + shift from a mean and a biased variance: scale = γ/sqrt(variance + eps), shift = β − mean·scale.
  void prepare(const T* mean_, const T* variance, double eps) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double inverse = 1.0 / std::sqrt(static_cast<double>(variance[c]) + eps);
      const double factor = branch_scale * static_cast<double>(gamma[c]) * inverse;
      this->mean[c] = mean_[c];
      this->inverse_deviation[c] = static_cast<T>(inverse);
      this->scale[c] = static_cast<T>(factor);
      this->shift[c] = static_cast<T>(branch_scale * static_cast<double>(beta[c]) - static_cast<double>(mean_[c]) * factor);
    }
  }

  /// y = branch_scale·x, for a branch that does not end in a BN.
  void prepare_scale_only() {
    for (std::size_t c = 0; c < channels; ++c) {
      this->mean[c] = this->shift[c] = this->gradient_slope[c] = this->gradient_offset[c] = T{0};
      this->inverse_deviation[c] = T{1};
      this->scale[c] = this->gradient_scale[c] = static_cast<T>(branch_scale);
    }
  }

  /// Once dz and dz_normalised are complete: γ's and β's gradients, and dx = A·dz + B·(x − mean) + D with
  /// A = γ/σ, B = −A/σ · mean(dz·x̂), D = −A · mean(dz).
  void prepare_backward() {
    if (!learned()) return;
    for (std::size_t c = 0; c < channels; ++c) {
      const double sum = dz[c], sum_normalised = dz_normalised[c];
      const double inverse = this->inverse_deviation[c], a = branch_scale * static_cast<double>(gamma[c]) * inverse;
      gamma_gradient[c] = static_cast<T>(branch_scale * sum_normalised);
      beta_gradient[c] = static_cast<T>(branch_scale * sum);
      this->gradient_scale[c] = static_cast<T>(a);
      this->gradient_slope[c] = static_cast<T>(-a * inverse * sum_normalised / count);
      this->gradient_offset[c] = static_cast<T>(-a * sum / count);
    }
  }
};

/// Running statistics after one more batch: weight `momentum` for the new value, unbiased variance. Source: PyTorch's BatchNorm2d.
template <class T>
void update_running(std::size_t channels, double momentum, double count, const T* mean, const T* variance, T* running_mean,
                    T* running_variance) {
  for (std::size_t c = 0; c < channels; ++c) {
    running_mean[c] = static_cast<T>((1 - momentum) * static_cast<double>(running_mean[c]) + momentum * static_cast<double>(mean[c]));
    running_variance[c] = static_cast<T>((1 - momentum) * static_cast<double>(running_variance[c]) +
                                         momentum * static_cast<double>(variance[c]) * count / (count - 1));
  }
}

/// Adds a batch's mean and unbiased variance to sums over batches.
template <class T>
void add_statistics(std::size_t channels, double count, const T* mean, const T* variance, double* mean_sum, double* variance_sum) {
  for (std::size_t c = 0; c < channels; ++c) {
    mean_sum[c] += static_cast<double>(mean[c]);
    variance_sum[c] += static_cast<double>(variance[c]) * count / (count - 1);
  }
}

}  // namespace sdepth
