// Batch normalisation between stages, on the device, so that no number of a step has to come to the host.
//
// A few hundred numbers each: what a kernel costs is its launch. A thread for each channel, in double as
// there (the divisions and roots of 64 channels take about a microsecond even where double is slow), 64
// threads a block so that wide layers spread over the device.
#pragma once

#include <cuda_runtime.h>

#include <cstddef>

#include <sdepth/kernels/cuda/context.hpp>
#include <sdepth/kernels/cuda/instructions.hpp>
#include <sdepth/kernels/cuda/norm_channel.hpp>
#include <sdepth/kernels/operands.hpp>

namespace sdepth::inline SDEPTH_ISA::cuda {

/// Threads of a block; kernels have them as an argument only because a kernel in a header must be a template.
inline constexpr unsigned norm_threads = 64;
/// This thread's channel.
template <unsigned threads>
[[nodiscard]] __device__ __forceinline__ int norm_channel() {
  return static_cast<int>(blockIdx.x * threads + threadIdx.x);
}

struct NormForwardOperands {
  int channels = 0;
  NormForward<float> norm;
  const float* mean = nullptr;
  const float* variance = nullptr;

  friend bool operator==(const NormForwardOperands&, const NormForwardOperands&) = default;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_forward_kernel(const NormForwardOperands o) {
  begin_behind_launch_before();
  const int c = norm_channel<threads>();
  if (c < o.channels) norm_forward_channel(o.norm, c, o.mean[c], o.variance[c]);
}

struct NormBackwardOperands {
  int channels = 0;
  NormBackward<float> norm;
  const float* dz = nullptr;
  const float* dz_normalised = nullptr;
  const unsigned* failed = nullptr;

  friend bool operator==(const NormBackwardOperands&, const NormBackwardOperands&) = default;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_backward_kernel(const NormBackwardOperands o) {
  begin_behind_launch_before();
  const int c = norm_channel<threads>();
  if (c < o.channels) norm_backward_channel(o.norm, c, o.dz[c], o.dz_normalised[c], o.failed);
}

struct NormScaleOperands {
  Norm<float> norm;
  int channels = 0;
  float branch_scale = 1;

  friend bool operator==(const NormScaleOperands&, const NormScaleOperands&) = default;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) norm_scale_kernel(const NormScaleOperands o) {
  begin_behind_launch_before();
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  o.norm.mean[c] = o.norm.shift[c] = o.norm.gradient_slope[c] = o.norm.gradient_offset[c] = 0.0F;
  o.norm.inverse_deviation[c] = 1.0F;
  o.norm.scale[c] = o.norm.gradient_scale[c] = o.branch_scale;
}

struct AddStatisticsOperands {
  int channels = 0;
  double count = 0;
  const float* mean = nullptr;
  const float* variance = nullptr;
  double* mean_sum = nullptr;
  double* variance_sum = nullptr;

  friend bool operator==(const AddStatisticsOperands&, const AddStatisticsOperands&) = default;
};
template <unsigned threads>
__global__ void __launch_bounds__(threads) add_statistics_kernel(const AddStatisticsOperands o) {
  begin_behind_launch_before();
  const int c = norm_channel<threads>();
  if (c >= o.channels) return;
  o.mean_sum[c] += static_cast<double>(o.mean[c]);
  o.variance_sum[c] += static_cast<double>(o.variance[c]) * o.count / (o.count - 1);
}

/// Launches one of the kernels above, a thread for each of operands.channels channels.
template <class Operands>
void launch_norm(Context& context, const char* name, void (*kernel)(Operands), const Operands& operands) {
  const Shape shape{operands.channels, 1, 1};
  const unsigned blocks = (static_cast<unsigned>(operands.channels) + norm_threads - 1) / norm_threads;
  context.launch(StageName{name, shape, shape, 1}, kernel, Grid{.x = blocks, .threads = norm_threads},
                 operands);
}

// Arrays lie on the device and hold `channels` numbers: those of a layer as they lie in memory (padded), as
// NormState::channels.

/// Scale and shift of a norm whose statistics no stage has just made: at test. Else the stage itself does
/// this, see Statistics::norm.
inline void norm_forward(Context& context, int channels, const NormForward<float>& norm, const float* mean,
                         const float* variance) {
  launch_norm(context, "norm_forward", norm_forward_kernel<norm_threads>,
              NormForwardOperands{channels, norm, mean, variance});
}
/// The way back through a norm whose sums no stage has just made: those of several processes. Else the stage
/// itself does this, see SourceSums::norm.
inline void norm_backward(Context& context, int channels, const NormBackward<float>& norm, const float* dz,
                          const float* dz_normalised) {
  launch_norm(context, "norm_backward", norm_backward_kernel<norm_threads>,
              NormBackwardOperands{channels, norm, dz, dz_normalised, context.failed()});
}
/// y = branch_scale·x, for a branch that does not end in a BN.
inline void norm_scale(Context& context, int channels, const Norm<float>& norm, double branch_scale) {
  launch_norm(context, "norm_scale", norm_scale_kernel<norm_threads>,
              NormScaleOperands{norm, channels, static_cast<float>(branch_scale)});
}
/// Adds a batch's mean and unbiased variance to sums over batches.
inline void add_statistics(Context& context, int channels, double count, const float* mean,
                           const float* variance, double* mean_sum, double* variance_sum) {
  launch_norm(context, "add_statistics", add_statistics_kernel<norm_threads>,
              AddStatisticsOperands{channels, count, mean, variance, mean_sum, variance_sum});
}

}  // namespace sdepth::inline SDEPTH_ISA::cuda
