// A training on the instructions that this program is compiled for, against the reference in double. Every
// level of x86-64 has such a program.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

#include <sdepth/net.hpp>

namespace sdepth::test::training_test {

namespace {

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, LinearDecay<0.5>>;
// Channels that fill no vector, kernels of both kinds, pools, and blocks that are skipped.
using Net = Network<Input<3, 12, 12>, Conv<20>, BN, ReLU, Repeat<2, Drop<20>>, MaxPool<2>, Drop<36, 2>,
                    GlobalAvgPool, Linear<7>>;

constexpr int batch = 20, steps = 12;

/// Losses of a training, and the logits of the network that it ends with.
struct Result {
  std::vector<double> losses;
  std::vector<float> logits;
};

template <class Backend>
Result train(int threads) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> images(batch * Net::input.size());
  for (float& number : images) number = normal(random);
  std::vector<int> labels;
  for (int n = 0; n < batch; ++n) labels.push_back(n % 7);

  Trainer<Net, Backend> trainer(
      {.batch = batch, .threads = threads, .seed = 5, .sgd = {.learning_rate = 0.05}});
  Result result;
  for (int step = 0; step < steps; ++step)
    result.losses.push_back(trainer.step(NHWC<float>{images}, labels).loss);
  result.logits = trainer.predict(NHWC<float>{images});
  return result;
}

TEST_CASE(
    "a training agrees with the reference in double, and is the same to the bit for one thread and three") {
  const Result found = train<Cpu<>>(1), expected = train<ReferenceDouble>(1), with_threads = train<Cpu<>>(3);
  CHECK(expected.losses.back() < 0.85 * expected.losses.front());  // it learns
  for (std::size_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    CHECK(std::abs(found.losses[step] - expected.losses[step]) < 1e-4 * expected.losses[step]);
  }
  for (std::size_t i = 0; i < expected.logits.size(); ++i)
    CHECK(std::abs(found.logits[i] - expected.logits[i]) < 2e-3);
  CHECK(with_threads.losses == found.losses);
  CHECK(with_threads.logits == found.logits);
}

}  // namespace

}  // namespace sdepth::test::training_test
