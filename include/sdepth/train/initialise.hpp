// The numbers a network begins with, as a pure function of the seed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include <sdepth/core/philox.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/train/options.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Convolutions N(0, sqrt(2/fan_in)), their biases 0; γ by choice, β 0; linear weights and biases
/// U(±1/sqrt(fan_in)); running statistics 0 and 1. The numbers depend on seed, tensor and index in PyTorch's
/// order alone, not on the backend's padding. Source: He et al., "Delving Deep into Rectifiers", ICCV 2015,
/// with fan_in = C_in · kernel².
template <class Net, class Backend>
void initialise(Weights<Net, Backend>& weights, std::uint64_t seed, GammaInit gamma) {
  using T = typename Backend::Scalar;
  std::uint32_t index = 0;
  std::size_t fan_in = 1;  // of the last weight: a linear layer's bias follows it
  bool linear = false;
  for (const ParameterInfo& tensor : weights.tensors()) {
    ++index;
    if (!tensor.trainable()) continue;
    if (tensor.kind == ParameterKind::conv_weight || tensor.kind == ParameterKind::linear_weight) {
      fan_in = tensor.size / static_cast<std::size_t>(tensor.out_stride);
      linear = tensor.kind == ParameterKind::linear_weight;
    }
    const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
    const auto draw = [&](std::uint64_t position) -> double {
      const auto words = random_words(seed, Purpose::initialise, position, index);
      switch (tensor.kind) {
        case ParameterKind::conv_weight:
          return std::sqrt(2.0) * bound * normal(words[0], words[1]);
        case ParameterKind::linear_weight:
          return bound * (2.0 * uniform(words[0]) - 1.0);
        case ParameterKind::bias:
          return linear ? bound * (2.0 * uniform(words[0]) - 1.0) : 0.0;
        case ParameterKind::bn_weight:
          return gamma == GammaInit::one ? 1.0 : uniform(words[0]);
        case ParameterKind::bn_bias:
        case ParameterKind::running_mean:
        case ParameterKind::running_var:
          break;
      }
      return 0.0;
    };
    T* out = weights.parameters().data() + tensor.offset;
    for_each_number(tensor, [&](std::size_t i, std::size_t j) { out[j] = static_cast<T>(draw(i)); });
  }
}

}  // namespace sdepth::inline SDEPTH_ISA
