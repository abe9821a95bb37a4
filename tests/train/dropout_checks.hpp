// Dropout wherever it can stand, and what every backend must compute of it.
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

namespace dropout {

using namespace sdepth;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
template <class Net>
[[nodiscard]] Data some_data(int count) {
  Data data{std::vector<float>(static_cast<std::size_t>(count) * Net::input.size()), {}};
  for (std::size_t i = 0; i < data.images.size(); ++i)
    data.images[i] = static_cast<float>(
        normal(random_words(3, Purpose::synthetic, i, 0)[0], random_words(3, Purpose::synthetic, i, 0)[1]));
  for (int n = 0; n < count; ++n) data.labels.push_back(n % static_cast<int>(Net::output.size()));
  return data;
}

/// Behind a norm and an activation in front of a convolution, on the sum of a block, in a branch's middle and
/// at its end, twice in a row, in front of a pool and of a linear layer. Five channels: a pixel's groups of
/// four are not whole.
template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;
using Everywhere = Network<Input<3, 6, 6>, Conv<5>, BN, GELU, Dropout<0.2>, Conv<5>, BN, ReLU,
                           Residual<Conv<5>, BN, ReLU, Dropout<0.5>, Conv<5>, BN>, Dropout<0.1>, ReLU,
                           Drop<Residual<BN, Dropout<0.3>, GELU, Conv<5>, Dropout<0.25>>>,
                           Drop<Residual<Conv<5>, ReLU, Dropout<0.4>>>, Dropout<0.1>, Dropout<0.1>,
                           AvgPool<2>, Dropout<0.2>, Linear<4>>;
inline const std::vector<std::uint8_t> gates = {1, 1, 1};

template <class Backend>
[[nodiscard]] Trainer<Everywhere, Backend> some_trainer(int threads = 1) {
  Trainer<Everywhere, Backend> trainer({.batch = 4, .threads = threads, .seed = 21});
  trainer.set_steps(5);
  return trainer;
}

/// Three steps with the gates open, closed and open again end where the reference's do.
template <class Backend>
void check_like_reference() {
  const Data data = some_data<Everywhere>(4);
  auto trainer = some_trainer<Backend>();
  auto again = some_trainer<Backend>(2);
  auto reference = some_trainer<ReferenceDouble>();
  for (const auto& open : std::vector<std::vector<std::uint8_t>>{gates, {1, 0, 1}, gates}) {
    const double loss = trainer.step(NHWC<float>{data.images}, data.labels, open).loss;
    CHECK(loss ==
          doctest::Approx(reference.step(NHWC<float>{data.images}, data.labels, open).loss).epsilon(1e-5));
    CHECK(again.step(NHWC<float>{data.images}, data.labels, open).loss == loss);
  }
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    if (!tensor.trainable()) continue;
    CAPTURE(tensor.name);
    const auto of_reference =
        std::find_if(reference.weights()->tensors().begin(), reference.weights()->tensors().end(),
                     [&](const ParameterInfo& other) { return other.name == tensor.name; });
    const auto ours = to_pytorch(tensor, trainer.weights()->parameters().data());
    const auto theirs = to_pytorch(*of_reference, reference.weights()->parameters().data());
    CHECK(ours == to_pytorch(tensor, again.weights()->parameters().data()));
    for (std::size_t i = 0; i < ours.size(); ++i)
      CHECK(std::abs(ours[i] - theirs[i]) < 2e-4F * (1 + std::abs(theirs[i])));
  }
}

}  // namespace dropout
