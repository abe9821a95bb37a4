// The device's stages without a convolution as a backend, so that they can be tested like those of the CPU.
#pragma once

#include <sdepth/kernels/cuda/finish.hpp>
#include <sdepth/kernels/cuda/linear.hpp>
#include <sdepth/kernels/cuda/pool.hpp>

#include "../kernels/backends.hpp"

namespace sdepth::test {

struct CudaPoints {
  using Scalar = float;
  using Stored = float;
  using Context = cuda::Context;
  static constexpr int lanes = cuda::lanes;
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return cuda::padded(channels); }

  template <Shape S, class A = ReLU>
  static void finish(Context& context, int batch, const Source<float>& source,
                     const Statistics<float>& statistics) {
    cuda::finish<S, A>(context, batch, source, statistics);
    context.synchronize();
  }
  template <Shape S, class A = ReLU>
  static void finish_backward(Context& context, int batch, const Gradient<float>& gradient,
                              const Source<float>& source, const float* add, float* out,
                              const SourceSums<float>& sums) {
    cuda::finish_backward<S, A>(context, batch, gradient, source, add, out, sums);
    context.synchronize();
  }
  template <PoolShape S>
  static void pool_forward(Context& context, int batch, const float* in, float* out) {
    cuda::pool_forward<S>(context, batch, in, out);
    context.synchronize();
  }
  template <PoolShape S>
  static void pool_backward(Context& context, int batch, const float* dy, const float* in, float* dx) {
    cuda::pool_backward<S>(context, batch, dy, in, dx);
    context.synchronize();
  }
  template <ShortcutShape S>
  static void shortcut_forward(Context& context, int batch, const float* in, float* out) {
    cuda::shortcut_forward<S>(context, batch, in, out);
    context.synchronize();
  }
  template <ShortcutShape S>
  static void shortcut_backward(Context& context, int batch, const float* dy, float* dx) {
    cuda::shortcut_backward<S>(context, batch, dy, dx);
    context.synchronize();
  }
  template <LinearShape S>
  static void linear_forward(Context& context, int batch, const float* in, const float* weights,
                             const float* bias, float* out) {
    cuda::linear_forward<S>(context, batch, in, weights, bias, out);
    context.synchronize();
  }
  template <LinearShape S>
  static void linear_backward(Context& context, int batch, const float* dy, const float* in,
                              const float* weights, float* weight_gradient, float* bias_gradient, float* dx) {
    cuda::linear_backward<S>(context, batch, dy, in, weights, weight_gradient, bias_gradient, dx);
    context.synchronize();
  }
};

}  // namespace sdepth::test
