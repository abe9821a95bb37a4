// The kernels of ResNet-110's convolutions by three products of TF32, of which no step here is made.
#include <sdepth/kernels/cuda/conv_forward.hpp>
#include <sdepth/kernels/cuda/conv_input_gradient.hpp>
#include <sdepth/kernels/cuda/weight_gradient.hpp>

namespace sdepth::resources {

template <ConvShape S>
void launch(cuda::Context& context, const Source<float>& source, const Gradient<float>& gradient, float* numbers) {
  using enum cuda::Precision;
  cuda::conv_forward<S, tf32x3>(context, 1, source, numbers, nullptr, numbers, {});
  cuda::conv_input_gradient<S, tf32x3>(context, 1, gradient, source, numbers, static_cast<const float*>(nullptr), numbers, {});
  cuda::conv_weight_gradient<S, tf32x3>(context, 1, gradient, source, numbers, nullptr);
}

/// Never called: the compiler's report is what is wanted.
void launch_three_products(cuda::Context& context, const Source<float>& source, const Gradient<float>& gradient, float* numbers) {
  launch<ConvShape{{16, 32, 32}, 16, 3, 1, 1}>(context, source, gradient, numbers);
  launch<ConvShape{{32, 16, 16}, 32, 3, 1, 1}>(context, source, gradient, numbers);
  launch<ConvShape{{64, 8, 8}, 64, 3, 1, 1}>(context, source, gradient, numbers);
}

}  // namespace sdepth::resources
