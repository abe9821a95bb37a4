// fit: the same steps as a loop by hand, entered where a trainer stands, and stopped by its callback.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>
#include <sdepth/net.hpp>
#include <sdepth/program/fit.hpp>

namespace sdepth::test::fit_test {

using program::EpochResult;
using program::fit;

namespace {

using Net = Network<Input<1, 8, 8>, Conv<4, 3>, BN, ReLU, GlobalAvgPool, Linear<3>>;
const DataSet data = synthetic({1, 8, 8}, 3, 20, 9, 5);
const Normalization bytes = Normalization::none();

std::vector<float> weights_of(Trainer<Net, Cpu<>>& trainer) {
  const auto span = trainer.weights()->parameters().span();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("fit makes the steps of a loop by hand, with its rates, and says what came of each epoch") {
  Loader training(data.train, bytes, {.batch = 8, .seed = 2}),
      test(data.test, bytes, {.batch = 4, .shuffle = false, .augment = false});
  const auto rate = [](std::int64_t n, std::int64_t count) {
    return 0.1 * static_cast<double>(n) / static_cast<double>(count);
  };
  Trainer<Net, Cpu<>> by_hand({.batch = 8, .threads = 1, .seed = 1}),
      fitted({.batch = 8, .threads = 1, .seed = 1});
  double loss = 0;
  for (int epoch = 0; epoch < 3; ++epoch) {
    loss = 0;
    for (training.start(epoch); const Batch* batch = training.next();) {
      by_hand.set_learning_rate(rate(static_cast<std::int64_t>(by_hand.steps()) + 1, 9));
      loss += train_step(by_hand, *batch).loss * batch->size / 20;
    }
  }
  const auto results = fit(fitted, training, test, {.epochs = 3, .learning_rate = rate});
  CHECK(weights_of(fitted) == weights_of(by_hand));
  REQUIRE(results.size() == 3);
  CHECK(results[2].epoch == 3);
  CHECK(results[2].training.loss == doctest::Approx(loss));
  CHECK(results[2].training.images == 20);
  CHECK(results[2].validation.images == 9);
  CHECK(results[2].validation.loss == evaluate(by_hand, test).loss);

  // A trainer in the middle of an epoch goes on there.
  Trainer<Net, Cpu<>> stopped({.batch = 8, .threads = 1, .seed = 1});
  training.start(0);
  for (int step = 1; step <= 2; ++step) {
    stopped.set_learning_rate(rate(step, 9));
    train_step(stopped, *training.next());
  }
  CHECK(fit(stopped, training, test, {.epochs = 3, .learning_rate = rate})[0].training.images == 4);
  CHECK(weights_of(stopped) == weights_of(by_hand));
  CHECK(fit(stopped, training, test, {.epochs = 3}).empty());  // all is done
}

TEST_CASE("fit stops when its callback says so, and refuses to train for no epoch") {
  Loader training(data.train, bytes, {.batch = 8}),
      test(data.test, bytes, {.batch = 9, .shuffle = false, .augment = false});
  Trainer<Net, Cpu<>> trainer({.batch = 8, .threads = 1});
  int called = 0;
  const auto results =
      fit(trainer, training, test, {.epochs = 5, .after_epoch = [&](const EpochResult& result) {
                                      ++called;
                                      return result.epoch < 2;
                                    }});
  CHECK(called == 2);
  CHECK(results.size() == 2);
  CHECK(trainer.steps() == 6);
  CHECK_THROWS_AS(fit(trainer, training, test, {.epochs = 0}), Error);
}

}  // namespace sdepth::test::fit_test
