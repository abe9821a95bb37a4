// Optimizers, losses and a step in its halves on the device: the bodies of tests that all backends share, and
// steps that are started ahead.
#include <sdepth/cuda.hpp>

#include "../losses/loss_checks.hpp"
#include "../optimizers/optimizer_checks.hpp"
#include "../train/step_checks.hpp"

namespace sdepth::test::step_test {

TEST_CASE("cuda: optimizers, accumulation, clipping, groups and averages: PyTorch's numbers") {
  optimizer_checks::check_all<Cuda<>>();
}
TEST_CASE("cuda: losses: PyTorch's numbers") { loss_checks::check_all<Cuda<>>(); }
TEST_CASE("cuda: a step in halves, mini-batches, other losses and optimizers, the user's own") {
  step_checks::check_all<Cuda<>>();
}

TEST_CASE("cuda: of steps that were started behind one without a finite loss no update is counted") {
  using One = Trainer<step_checks::WithNorms, Cuda<>, CrossEntropy, AdamW>;
  One trainer(step_checks::options<One>(SkipUpdate::frozen)),
      untouched(step_checks::options<One>(SkipUpdate::frozen));
  const step_checks::Data good(1), later(2);
  step_checks::Data poisoned(3);
  poisoned.values[50] = std::numeric_limits<float>::quiet_NaN();
  for (One* each : {&trainer, &untouched}) each->step(good.images(), good.labels);
  const auto before = step_checks::state(trainer);
  const auto bad = trainer.start(poisoned.images(), poisoned.labels);
  const auto behind = trainer.start(later.images(), later.labels);
  CHECK_THROWS_AS(trainer.finish(bad), Error);
  CHECK_THROWS_AS(trainer.finish(behind), Error);
  CHECK(trainer.update().groups().tensor_counts() == untouched.update().groups().tensor_counts());
  CHECK(trainer.step(later.images(), later.labels).loss == untouched.step(later.images(), later.labels).loss);
  CHECK(step_checks::state(trainer) == step_checks::state(untouched));
  CHECK(step_checks::state(trainer) != before);
}

}  // namespace sdepth::test::step_test
