// Training with activations in bfloat16: as near to PyTorch's float64 as PyTorch's own training in bfloat16,
// in half the memory, and as reproducible as any.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include <sdepth/net.hpp>

#include "bfloat16_network.hpp"
#include "pytorch_checks.hpp"

namespace sdepth::test::bfloat16_test {

namespace {

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

using namespace bfloat16_network;

constexpr int steps = 8;

struct Run {
  std::vector<double> losses;
  std::vector<float> logits;
  std::size_t bytes = 0;  // of activations, in the last step, whose gates are the same for all backends
};
template <class Net, class Backend>
[[nodiscard]] Run train(int threads) {
  const Data data = some_data<Net>();
  const NHWC<float> images{data.images};
  Trainer<Net, Backend> trainer(
      {.batch = batch, .threads = threads, .seed = 5, .sgd = {.learning_rate = 0.05}});
  Run run;
  for (int step = 0; step < steps; ++step) run.losses.push_back(trainer.step(images, data.labels).loss);
  run.bytes = trainer.walk().activation_bytes();
  run.logits = trainer.predict(images);
  return run;
}

template <Gating Gates>
void check_training() {
  using Small = Net<Gates>;
  const Run found = train<Small, CpuBfloat16>(1), expected = train<Small, ReferenceBfloat16>(1);
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

}  // namespace sdepth::test::bfloat16_test
