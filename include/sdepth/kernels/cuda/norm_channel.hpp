// One channel of a batch normalisation on the device: HostBackend's formulas, in double as there, for
// whichever thread has the channel's sums.
#pragma once

#include <cuda_runtime.h>

#include <cmath>

#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Scale and shift from the mean and biased variance. See HostBackend::norm_forward.
__device__ inline void norm_forward_channel(const NormForward<float>& n, int c, float mean, float variance) {
  const double inverse = 1.0 / sqrt(static_cast<double>(variance) + n.eps);
  const double factor = n.branch_scale * static_cast<double>(n.gamma[c]) * inverse;
  n.norm.mean[c] = mean;
  n.norm.inverse_deviation[c] = static_cast<float>(inverse);
  n.norm.scale[c] = static_cast<float>(factor);
  n.norm.shift[c] = static_cast<float>(n.branch_scale * static_cast<double>(n.beta[c]) -
                                       static_cast<double>(mean) * factor);
}

/// The parameters' gradients and the norm's gradient_* numbers from Σ dz and Σ dz·x̂, and the running
/// statistics unless *failed is not zero. See HostBackend::norm_backward.
__device__ inline void norm_backward_channel(const NormBackward<float>& n, int c, float dz,
                                             float dz_normalised, const unsigned* failed) {
  const double sum = static_cast<double>(dz), sum_normalised = static_cast<double>(dz_normalised);
  const double inverse = static_cast<double>(n.norm.inverse_deviation[c]);
  const double a = n.branch_scale * static_cast<double>(n.gamma[c]) * inverse;
  n.gamma_gradient[c] = static_cast<float>(n.branch_scale * sum_normalised);
  n.beta_gradient[c] = static_cast<float>(n.branch_scale * sum);
  n.norm.gradient_scale[c] = static_cast<float>(a);
  n.norm.gradient_slope[c] = static_cast<float>(-a * inverse * sum_normalised / n.count);
  n.norm.gradient_offset[c] = static_cast<float>(-a * sum / n.count);
  const RunningUpdate<float>& running = n.running;
  if (!running.mean || *failed != 0) return;
  const auto mixed = [&](float old, double now) {
    return static_cast<float>((1 - running.momentum) * static_cast<double>(old) + running.momentum * now);
  };
  running.mean[c] = mixed(running.mean[c], static_cast<double>(n.norm.mean[c]));
  running.variance[c] =
      mixed(running.variance[c], static_cast<double>(running.batch_variance[c]) * n.count / (n.count - 1));
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
