// PyTorch's numbers for the tests: the oracle files of tests/oracle, the networks they were made with, and
// distances from them.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/io/weights.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>

#include "../files.hpp"

namespace pytorch {

using namespace sdepth;

/// One file of tests/oracle; see make_oracles.py for what is in it.
struct Oracle {
  explicit Oracle(const std::string& name)
      : file(read_safetensors(sdepth::test::tests_folder() + "/oracle/" + name + ".safetensors")) {}

  [[nodiscard]] bool has(const std::string& name) const { return file.find(name) != nullptr; }
  [[nodiscard]] std::span<const float> values(const std::string& name) const {
    const Tensor* tensor = file.find(name);
    if (!tensor) fail("the oracle has no tensor ", name);
    return tensor->values;
  }
  [[nodiscard]] std::vector<int> integers(const std::string& name) const {
    const auto v = values(name);
    return {v.begin(), v.end()};
  }
  [[nodiscard]] std::vector<std::uint8_t> gates(const std::string& name) const {
    const auto v = values(name);
    return std::vector<std::uint8_t>(v.begin(), v.end());
  }
  /// Copies the tensors `prefix` + name of all of the network's parameters.
  template <class Weights>
  void load(Weights& weights, const std::string& prefix) const {
    SafeTensors part;
    for (const ParameterInfo& info : weights.tensors()) {
      const Tensor* tensor = file.find(prefix + info.name);
      if (!tensor) fail("the oracle has no tensor ", prefix, info.name);
      part.tensors.push_back(*tensor);
    }
    take_weights(part, std::span<const ParameterInfo>(weights.tensors()), weights.parameters().data(),
                 weights.running().data(), prefix, "the oracle");
  }

  SafeTensors file;
};

/// ‖a − b‖₂ and ‖b‖₂, added up over tensors.
struct Distance {
  double difference = 0, norm = 0;
  template <class A, class B>
  void add(const A& a, const B& b) {
    for (std::size_t i = 0; i < b.size(); ++i) {
      difference += (static_cast<double>(a[i]) - b[i]) * (static_cast<double>(a[i]) - b[i]);
      norm += static_cast<double>(b[i]) * b[i];
    }
  }
  [[nodiscard]] double relative() const { return std::sqrt(difference / norm); }
};
template <class A, class B>
[[nodiscard]] double relative_distance(const A& a, const B& b) {
  Distance d;
  d.add(a, b);
  return d.relative();
}

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;

/// The net of models.py's Zoo: every kind of layer, shortcut and block.
using PreActivationBlock = PreActivation<BN, ReLU, Conv<24>, BN, ReLU, Conv<24>>;
using Zoo =
    Network<Input<3, 24, 24>, Conv<8, 5, 1, Bias::learned>, ReLU, MaxPool<2>, BN, Conv<12>, BN, ReLU,
            Drop<Residual<Conv<12>, BN, ReLU, Conv<12>, BN>>,
            Drop<ResidualWith<SubsampleShortcut, Conv<20, 3, 2>, BN, ReLU, Conv<20>, BN>>,
            Drop<ResidualWith<ProjectionShortcut, Conv<24, 3, 2>, BN, ReLU, Conv<24>, BN>>,
            Drop<Residual<Conv<8, 1>, BN, ReLU, Conv<8>, BN, ReLU, Conv<24, 1>, BN>>,
            Repeat<2, Drop<PreActivationBlock>>, BN, ReLU, AvgPool<2, 1>, Linear<16>, ReLU, Linear<10>>;

/// The net of models.py's ActivationZoo: every activation where one can be pending.
using ActivationZoo =
    Network<Input<3, 12, 12>, Conv<8>, BN, GELU,
            BasicResidual<PoolShortcut, SiLU, Conv<8>, BN, GELU, Conv<8>, BN>,
            Drop<PreActivation<BN, SiLU, Conv<8>, BN, LeakyReLU<>, Conv<8>>>,
            Drop<PreActivationWith<ProjectionShortcut, BN, Hardswish, Conv<12, 3, 2>, GELU, Conv<12>>>,
            Drop<PreActivation<Conv<12>, GELU>>, BN, SiLU, Hardswish, AvgPool<2>, Linear<16>, LeakyReLU<>,
            Linear<10>>;

/// The ResNet-14 of the sgd files.
template <int C, int Stride = 1>
using Basic = Drop<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>>;
using Small = Network<Input<3, 16, 16>, Conv<8>, BN, ReLU, Repeat<2, Basic<8>>, Basic<16, 2>, Basic<16>,
                      Basic<32, 2>, Basic<32>, GlobalAvgPool, Linear<10>>;

}  // namespace pytorch
