// Any sequence of words: unusual networks on the reference in double, whose gradients must be the differences of their losses.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

using namespace sdepth;

namespace {

template <class Block>
using Drop = StochasticDepth<Block, Uniform<0.7>>;

// Every place where something pending meets a stage that does not expect it.
using BeginsWithNorm = Network<Input<3, 6, 6>, BN, Conv<4>, ReLU, ReLU, BN, BN, MaxPool<2>, BN, ReLU, Linear<3>>;
using BeginsWithPool =
    Network<Input<2, 8, 8>, AvgPool<2>, ReLU, Conv<4, 2, 1, Bias::learned, 0>, AvgPool<3, 1, 1>, BN, GlobalAvgPool, BN, Linear<3>>;
using BeginsWithBlock =
    Network<Input<3, 4, 4>, Residual<Conv<3>, BN>, Drop<ResidualWith<ProjectionShortcut, Conv<5, 1, 2>, ReLU>>, BN, ReLU, Linear<3>, BN>;
using OddBranches = Network<Input<3, 8, 8>, Conv<4>, ReLU,                                      //
                            Drop<Residual<ReLU, Conv<4>>>, Drop<Residual<Conv<4>, ReLU>>,       // one convolution; a ReLU at an end
                            Drop<Residual<MaxPool<3, 1, 1>, BN>>, Drop<Residual<BN>>,           // no convolution
                            Drop<PreActivation<BN, ReLU, Conv<6, 3, 2>>>, BN, ReLU,             // changes the shape, then a norm
                            Drop<ResidualWith<SubsampleShortcut, AvgPool<2>, Conv<8, 1>, BN>>,  // a pool first
                            Drop<PreActivation<Conv<8>, BN>>, Drop<PreActivation<BN, ReLU, Conv<8>>>, Linear<3>>;
using SkipThenNorm =
    Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, Drop<Residual<Conv<6, 3, 2>, BN>>, BN, Conv<4>, ReLU, Drop<Residual<Conv<4>, BN>>,
            Drop<ResidualWith<ProjectionShortcut, Conv<6, 3, 2>, BN>>, BN, GlobalAvgPool, Linear<3>>;

/// Central differences against the gradients of a step, for some parameters of every tensor.
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
  for (std::size_t i = 0; i < parameters.size(); ++i) parameters[i] += 0.2 * (uniform(random_words(5, Purpose::synthetic, i, 0)[0]) - 0.5);
  std::vector<float> images(batch * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(uniform(random_words(6, Purpose::synthetic, i, 0)[0]) - 0.5);
  const std::vector<int> labels = {0, 2, 1};
  const auto loss = [&] { return trainer.step(NHWC<float>{images}, labels, gates).loss; };

  loss();
  CHECK(trainer.walk().slots_all_free());
  const std::vector<double> gradients(trainer.gradients().data(), trainer.gradients().data() + trainer.gradients().size());
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    if (!tensor.trainable() || (tensor.block >= 0 && !gates[static_cast<std::size_t>(tensor.block)])) continue;
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

}  // namespace

TEST_CASE("gradients of unusual sequences are the differences of their losses") {
  check_gradients<BeginsWithNorm>(Scaling::test, {});
  check_gradients<BeginsWithPool>(Scaling::test, {});
  check_gradients<BeginsWithBlock>(Scaling::test, {1, 1});
  check_gradients<BeginsWithBlock>(Scaling::train, {1, 0});
  check_gradients<SkipThenNorm>(Scaling::test, {1, 1, 1});
  check_gradients<SkipThenNorm>(Scaling::test, {0, 0, 0});
}

TEST_CASE("gradients of unusual branches are too, open or closed, scaled or not") {
  for (const Scaling scaling : {Scaling::test, Scaling::train})
    for (const std::vector<std::uint8_t>& gates :
         {std::vector<std::uint8_t>{1, 1, 1, 1, 1, 1, 1, 1}, {1, 0, 1, 0, 1, 0, 1, 0}, {0, 1, 0, 1, 0, 1, 0, 1}, {0, 0, 0, 0, 0, 0, 0, 0}})
      check_gradients<OddBranches>(scaling, gates);
}
