// Batch normalisation between stages, on the device: run/norm.hpp's formulas as kernels, so that no number of a step has to come to the host.
//
// A few hundred numbers each: what a kernel costs is its launch. A thread for each channel, in double as there (the divisions and roots of 64 channels
// take about a microsecond even where double is slow), 64 threads a block so that wide layers spread over the device.
#pragma once

#include <cuda_runtime.h>

#include <cmath>
#include <cstddef>

#include <sdepth/kernels/cuda/space.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::cuda {

/// Threads of a block; kernels have them as an argument only because a kernel in a header must be a template.
inline constexpr unsigned norm_threads = 64;
/// This thread's channel.
template <unsigned threads>
[[nodiscard]] __device__ __forceinline__ int norm_channel() {
  return static_cast<int>(blockIdx.x * threads + threadIdx.x);
}

struct NormForwardOperands {
  Norm<float> norm;
  int channels = 0;
  double branch_scale = 1;
  double eps = 0;
  const float* gamma = nullptr;
  const float* beta = nullptr;
  const float* mean = nullptr;
  const float* variance = nullptr;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_forward_kernel(const NormForwardOperands o) {
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  const double inverse = 1.0 / sqrt(static_cast<double>(o.variance[c]) + o.eps);
  const double factor = o.branch_scale * static_cast<double>(o.gamma[c]) * inverse, mean = static_cast<double>(o.mean[c]);
  o.norm.mean[c] = static_cast<float>(mean);
  o.norm.inverse_deviation[c] = static_cast<float>(inverse);
  o.norm.scale[c] = static_cast<float>(factor);
  o.norm.shift[c] = static_cast<float>(o.branch_scale * static_cast<double>(o.beta[c]) - mean * factor);
}

struct NormScaleOperands {
  Norm<float> norm;
  int channels = 0;
  float branch_scale = 1;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_scale_kernel(const NormScaleOperands o) {
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  o.norm.mean[c] = o.norm.shift[c] = o.norm.gradient_slope[c] = o.norm.gradient_offset[c] = 0.0F;
  o.norm.inverse_deviation[c] = 1.0F;
  o.norm.scale[c] = o.norm.gradient_scale[c] = o.branch_scale;
}

struct NormBackwardOperands {
  Norm<float> norm;
  int channels = 0;
  double branch_scale = 1;
  double count = 0;
  const float* gamma = nullptr;
  const float* dz = nullptr;
  const float* dz_normalised = nullptr;
  float* gamma_gradient = nullptr;
  float* beta_gradient = nullptr;
  RunningUpdate<float> running;
  const unsigned* failed = nullptr;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_backward_kernel(const NormBackwardOperands o) {
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  const double sum = static_cast<double>(o.dz[c]), sum_normalised = static_cast<double>(o.dz_normalised[c]);
  const double inverse = static_cast<double>(o.norm.inverse_deviation[c]);
  const double a = o.branch_scale * static_cast<double>(o.gamma[c]) * inverse;
  o.gamma_gradient[c] = static_cast<float>(o.branch_scale * sum_normalised);
  o.beta_gradient[c] = static_cast<float>(o.branch_scale * sum);
  o.norm.gradient_scale[c] = static_cast<float>(a);
  o.norm.gradient_slope[c] = static_cast<float>(-a * inverse * sum_normalised / o.count);
  o.norm.gradient_offset[c] = static_cast<float>(-a * sum / o.count);
  if (!o.running.mean || *o.failed != 0) return;
  const auto mixed = [&](float old, double now) {
    return static_cast<float>((1 - o.running.momentum) * static_cast<double>(old) + o.running.momentum * now);
  };
  o.running.mean[c] = mixed(o.running.mean[c], static_cast<double>(o.norm.mean[c]));
  o.running.variance[c] = mixed(o.running.variance[c], static_cast<double>(o.running.batch_variance[c]) * o.count / (o.count - 1));
}

struct AddStatisticsOperands {
  int channels = 0;
  double count = 0;
  const float* mean = nullptr;
  const float* variance = nullptr;
  double* mean_sum = nullptr;
  double* variance_sum = nullptr;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) add_statistics_kernel(const AddStatisticsOperands o) {
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  o.mean_sum[c] += static_cast<double>(o.mean[c]);
  o.variance_sum[c] += static_cast<double>(o.variance[c]) * o.count / (o.count - 1);
}

/// Launches one of the kernels above, a thread for each of operands.channels channels.
template <class Operands>
void launch_norm(Space& space, const char* name, void (*kernel)(Operands), const Operands& operands) {
  const Shape shape{operands.channels, 1, 1};
  const unsigned blocks = (static_cast<unsigned>(operands.channels) + norm_threads - 1) / norm_threads;
  space.launch(StageName{name, shape, shape, 1}, kernel, Grid{.x = blocks, .threads = norm_threads}, operands);
}

// Arrays lie on the device and hold `channels` numbers: those of a layer as they lie in memory (padded), as NormState::channels.

/// y = scale·x + shift from a mean and a biased variance: scale = branch_scale·γ/sqrt(variance + eps), shift = branch_scale·β − mean·scale.
inline void norm_forward(Space& space, const Norm<float>& norm, int channels, double branch_scale, const float* gamma, const float* beta,
                         const float* mean, const float* variance, double eps) {
  launch_norm(space, "norm_forward", norm_forward_kernel<norm_threads>,
              NormForwardOperands{norm, channels, branch_scale, eps, gamma, beta, mean, variance});
}
/// y = branch_scale·x, for a branch that does not end in a BN.
inline void norm_scale(Space& space, const Norm<float>& norm, int channels, double branch_scale) {
  launch_norm(space, "norm_scale", norm_scale_kernel<norm_threads>, NormScaleOperands{norm, channels, static_cast<float>(branch_scale)});
}
/// γ's and β's gradients, the norm's gradient_* numbers, and the running statistics unless the loss was not finite: HostBackend::norm_backward. @param count  numbers per channel in the batch
inline void norm_backward(Space& space, const Norm<float>& norm, int channels, double branch_scale, double count, const float* gamma,
                          const float* dz, const float* dz_normalised, float* gamma_gradient, float* beta_gradient,
                          const RunningUpdate<float>& running) {
  launch_norm(space, "norm_backward", norm_backward_kernel<norm_threads>,
              NormBackwardOperands{norm, channels, branch_scale, count, gamma, dz, dz_normalised, gamma_gradient, beta_gradient, running,
                                   space.failed()});
}
/// Adds a batch's mean and unbiased variance to sums over batches.
inline void add_statistics(Space& space, int channels, double count, const float* mean, const float* variance, double* mean_sum,
                           double* variance_sum) {
  launch_norm(space, "add_statistics", add_statistics_kernel<norm_threads>,
              AddStatisticsOperands{channels, count, mean, variance, mean_sum, variance_sum});
}

}  // namespace sdepth::cuda
