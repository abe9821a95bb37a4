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
  using Space = cuda::Space;
  static constexpr int lanes = cuda::lanes;
  [[nodiscard]] static constexpr int padded(int channels) noexcept { return cuda::padded(channels); }

  template <Shape S, class A = ReLU>
  static void finish(Space& space, int batch, const Source<float>& source,
                     const Statistics<float>& statistics) {
    cuda::finish<S, A>(space, batch, source, statistics);
    space.finish();
  }
  template <Shape S, class A = ReLU>
  static void finish_backward(Space& space, int batch, const Gradient<float>& gradient,
                              const Source<float>& source, const float* add, float* out,
                              const SourceSums<float>& sums) {
    cuda::finish_backward<S, A>(space, batch, gradient, source, add, out, sums);
    space.finish();
  }
  template <PoolShape S>
  static void pool_forward(Space& space, int batch, const float* in, float* out) {
    cuda::pool_forward<S>(space, batch, in, out);
    space.finish();
  }
  template <PoolShape S>
  static void pool_backward(Space& space, int batch, const float* dy, const float* in, float* dx) {
    cuda::pool_backward<S>(space, batch, dy, in, dx);
    space.finish();
  }
  template <ShortcutShape S>
  static void shortcut_forward(Space& space, int batch, const float* in, float* out) {
    cuda::shortcut_forward<S>(space, batch, in, out);
    space.finish();
  }
  template <ShortcutShape S>
  static void shortcut_backward(Space& space, int batch, const float* dy, float* dx) {
    cuda::shortcut_backward<S>(space, batch, dy, dx);
    space.finish();
  }
  template <LinearShape S>
  static void linear_forward(Space& space, int batch, const float* in, const float* weights,
                             const float* bias, float* out) {
    cuda::linear_forward<S>(space, batch, in, weights, bias, out);
    space.finish();
  }
  template <LinearShape S>
  static void linear_backward(Space& space, int batch, const float* dy, const float* in, const float* weights,
                              float* weight_gradient, float* bias_gradient, float* dx) {
    cuda::linear_backward<S>(space, batch, dy, in, weights, weight_gradient, bias_gradient, dx);
    space.finish();
  }
};

}  // namespace sdepth::test
