// Gradients as the differences of losses: the check that needs no other implementation.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test {

/// A network with every kind of branch, each in a Drop<Residual>: no convolution, one, a pool or a norm
/// first, a ReLU last, a change of shape.
template <template <class> class Drop>
using OddBranches =
    Network<Input<3, 8, 8>, Conv<4>, ReLU,  //
            // one convolution; a ReLU at an end
            Drop<Residual<ReLU, Conv<4>>>, Drop<Residual<Conv<4>, ReLU>>,
            // no convolution
            Drop<Residual<MaxPool<3, 1, 1>, BN>>, Drop<Residual<BN>>,
            // changes the shape, then a norm
            Drop<PreActivation<BN, ReLU, Conv<6, 3, 2>>>, BN, ReLU,
            // a pool first
            Drop<ResidualWith<SubsampleShortcut, AvgPool<2>, Conv<8, 1>, BN>>,
            Drop<PreActivation<Conv<8>, BN>>, Drop<PreActivation<BN, ReLU, Conv<8>>>, Linear<3>>;

/// Central differences against the gradients of a step with three images, for some parameters of every
/// tensor.
/// @param gates  [residual blocks], or for networks whose images have gates of their own also [residual
///               blocks][3]
template <class Net>
void check_gradients(Scaling scaling, const std::vector<std::uint8_t>& gates) {
  constexpr int batch = 3;
  TrainingOptions options;
  options.batch = batch;
  options.sgd.learning_rate = 0;
  options.scaling = scaling;
  options.gamma = GammaInit::uniform;
  Trainer<Net, ReferenceDouble> trainer(options);
  auto& parameters = trainer.weights()->parameters();
  for (std::size_t i = 0; i < parameters.size(); ++i)
    parameters[i] += 0.2 * (uniform(random_words(5, Purpose::synthetic, i, 0)[0]) - 0.5);
  std::vector<float> images(batch * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(uniform(random_words(6, Purpose::synthetic, i, 0)[0]) - 0.5);
  const std::vector<int> labels = {0, 2, 1};
  const auto loss = [&] { return trainer.step(NHWC<float>{images}, labels, gates).loss; };

  loss();
  CHECK(trainer.walk().slots_all_free());
  const std::vector<double> gradients(trainer.gradients().data(),
                                      trainer.gradients().data() + trainer.gradients().size());
  const std::size_t per_block =
      Net::residual_blocks > 0 ? gates.size() / static_cast<std::size_t>(Net::residual_blocks) : 0;
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    const auto gates_of_block = gates.begin() + static_cast<std::ptrdiff_t>(per_block) * tensor.block;
    if (!tensor.trainable() ||
        (tensor.block >= 0 &&
         std::count(gates_of_block, gates_of_block + static_cast<std::ptrdiff_t>(per_block), 1) == 0))
      continue;
    CAPTURE(tensor.name);
    for (std::size_t k = 0; k < 4; ++k) {
      const std::size_t i = tensor.offset + k * (tensor.size - 1) / 3;
      constexpr double h = 1e-6;
      const double kept = parameters[i];
      parameters[i] = kept + h;
      const double above = loss();
      parameters[i] = kept - h;
      const double below = loss();
      parameters[i] = kept;
      CHECK(gradients[i] == doctest::Approx((above - below) / (2 * h)).epsilon(2e-4).scale(0.05));
    }
  }
}

}  // namespace sdepth::test
