// Training with activations in bfloat16: as near to PyTorch's float64 as PyTorch's own training in bfloat16,
// in half the memory, and as reproducible as any.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <vector>

#include <sdepth/net.hpp>

#include "pytorch_checks.hpp"

namespace {

using namespace sdepth;

TEST_CASE("20 steps of ResNet-20 are no further from float64 than PyTorch's under autocast") {
  const pytorch::Oracle inputs("resnet20"), oracle("autocast");
  auto trainer = pytorch::trainer_with<CifarResNet<20>, CpuBfloat16>(
      inputs, {.batch = 8, .threads = 2, .sgd = {.learning_rate = 0.01}});  // the oracle's AUTOCAST_RATE
  const std::vector<std::uint8_t> open(9, 1);
  double ours = 0, theirs = 0;
  for (std::size_t step = 0; step < oracle.values("losses").size(); ++step) {
    const double loss =
        trainer.step(NHWC<float>{inputs.values("images")}, inputs.integers("labels"), open).loss;
    ours += std::abs(loss - static_cast<double>(oracle.values("losses")[step]));
    theirs += static_cast<double>(oracle.values("autocast.losses")[step]);
  }
  CHECK(ours > 0.01 * theirs);  // it does round
  CHECK(ours < theirs);
}

template <int C, int Stride = 1, Gating Gates = Gating::per_batch>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C, 3>, BN>, LinearDecay<0.5>, Gates>;
/// Channels that fill no vector, kernels of both kinds, pools, a dropout, and blocks that are skipped.
template <Gating Gates = Gating::per_batch>
using Net = Network<Input<3, 12, 12>, Conv<20>, BN, ReLU, Repeat<2, Drop<20, 1, Gates>>, MaxPool<2>,
                    Dropout<0.2>, Drop<36, 2, Gates>, GlobalAvgPool, Linear<7>>;

constexpr int batch = 20, steps = 8;

struct Run {
  std::vector<double> losses;
  std::vector<float> logits;
  std::size_t bytes = 0;  // of activations, in the last step, whose gates are the same for all backends
};
template <class Net, class Backend>
[[nodiscard]] Run train(int threads) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> images(batch * Net::input.size());
  for (float& number : images) number = normal(random);
  std::vector<int> labels;
  for (int n = 0; n < batch; ++n) labels.push_back(n % 7);
  Trainer<Net, Backend> trainer(
      {.batch = batch, .threads = threads, .seed = 5, .sgd = {.learning_rate = 0.05}});
  Run run;
  for (int step = 0; step < steps; ++step)
    run.losses.push_back(trainer.step(NHWC<float>{images}, labels).loss);
  run.bytes = trainer.walk().activation_bytes();
  run.logits = trainer.predict(NHWC<float>{images});
  return run;
}

template <Gating Gates>
void check_training() {
  using Small = Net<Gates>;
  const Run found = train<Small, CpuBfloat16>(1), expected = train<Small, BasicReference<float, bfloat16>>(1);
  const Run with_threads = train<Small, CpuBfloat16>(3);
  CHECK(found.losses == with_threads.losses);
  CHECK(found.logits == with_threads.logits);
  // Roundings that fall the other way make the rest: a wrong gradient would show in the first steps, a wrong
  // rounding in all.
  for (std::size_t step = 0; step < steps; ++step) {
    CAPTURE(step);
    CHECK(std::abs(found.losses[step] - expected.losses[step]) < 0.02 * expected.losses[step]);
  }
}
TEST_CASE("a training agrees with the reference that rounds as well, on any number of threads") {
  check_training<Gating::per_batch>();
  check_training<Gating::per_sample>();
}
TEST_CASE("activations take half the memory, and the losses are not those of floats, but near") {
  const Run found = train<Net<>, CpuBfloat16>(2), in_float = train<Net<>, Cpu<>>(2);
  for (std::size_t step = 0; step < steps; ++step)
    CHECK(std::abs(found.losses[step] - in_float.losses[step]) < 0.04 * in_float.losses[step]);
  CHECK(found.losses[1] != in_float.losses[1]);
  CHECK(2 * found.bytes == in_float.bytes);
}

}  // namespace
