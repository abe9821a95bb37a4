// Trainings with activations in bfloat16 on the device: the reference's losses, and inference from what was
// learned.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/kernels/reference/reference.hpp>

namespace sdepth::test::bfloat16_training_test {
namespace {

using Exact = Cuda<Precision::float32, bfloat16>;
using Expected = BasicReference<float, bfloat16>;

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<2, Drop<8>>, Drop<16, 2>, MaxPool<2>, Drop<16>,
                    GlobalAvgPool, Linear<5>>;

/// Losses of some steps, then those of images that are not learned from.
template <class Backend>
[[nodiscard]] std::vector<double> train() {
  TrainingOptions options;
  options.batch = 4;
  options.threads = 1;
  options.seed = 5;
  Trainer<Net, Backend> trainer(options);
  std::vector<std::uint8_t> bytes(4 * Net::input.size());
  const std::vector<int> labels{0, 1, 2, 3};
  std::vector<double> losses;
  for (std::size_t step = 0; step < 5; ++step) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>(i * (37 + step) + i / 50);
    losses.push_back(trainer.step(NHWC<std::uint8_t>{bytes}, labels).loss);
  }
  losses.push_back(trainer.evaluate(NCHW<std::uint8_t>{bytes}, labels).loss);
  return losses;
}

TEST_CASE("bf16 on the device: a training has the losses of the reference's, and not those of floats") {
  const std::vector<double> device = train<Exact>(), expected = train<Expected>(),
                            floats = train<Reference>();
  double distance = 0;
  for (std::size_t i = 0; i < device.size(); ++i) {
    CHECK(device[i] == doctest::Approx(expected[i]).epsilon(4e-3));
    distance = std::max(distance, std::abs(device[i] - floats[i]));
  }
  CHECK(device[0] == doctest::Approx(expected[0]).epsilon(2e-4));
  CHECK(distance > 1e-3);
  CHECK(train<Exact>() == device);
}

TEST_CASE("bf16 on the device: Inference has the trainer's logits") {
  Trainer<Net, Exact> trainer([] {
    TrainingOptions options;
    options.batch = 4;
    options.threads = 1;
    return options;
  }());
  std::vector<float> pictures(5 * Net::input.size());
  for (std::size_t i = 0; i < pictures.size(); ++i) pictures[i] = static_cast<float>(i % 17) / 17.0F - 0.5F;
  CHECK(Inference<Net, Exact>(trainer.weights(), {.batch = 2}).predict(NHWC<float>{pictures}) ==
        trainer.predict(NHWC<float>{pictures}));
}

}  // namespace
}  // namespace sdepth::test::bfloat16_training_test
