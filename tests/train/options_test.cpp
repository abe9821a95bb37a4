// Which options of training and test are refused, by name.
#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::options_test {

namespace {

using Net = Network<Input<1, 4, 4>, Conv<2>, BN, ReLU,
                    StochasticDepth<Residual<Conv<2>, BN>, LinearDecay<0.5>>, GlobalAvgPool, Linear<2>>;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN(),
                 infinity = std::numeric_limits<double>::infinity();
constexpr int lowest = std::numeric_limits<int>::min();

/// A trainer, and whatever else takes these options, says so of the option.
void check_refused(const TrainingOptions& options, const std::string& option) {
  CAPTURE(option);
  CHECK_THROWS_WITH_AS((Trainer<Net, Reference>(options)),
                       doctest::Contains(("options: " + option + " is ").c_str()), Error);
}

}  // namespace

TEST_CASE("a trainer is not made with options that mean nothing") {
  for (const int number : {0, -1, lowest}) {
    check_refused({.batch = number}, "batch");
    check_refused({.threads = number}, "threads");
  }
  for (const double rate : {not_a_number, infinity, -infinity, -1.0, -1e-300, 1e39}) {
    check_refused({.sgd = {.learning_rate = rate}}, "learning_rate");
    check_refused({.sgd = {.momentum = rate}}, "momentum");
    check_refused({.sgd = {.weight_decay = rate}}, "weight_decay");
  }
  CHECK_NOTHROW(Trainer<Net, Reference>(
      {.batch = 1, .threads = 1, .sgd = {.learning_rate = 0, .momentum = 0, .weight_decay = 0}}));
}

TEST_CASE("more threads than there is room for are refused in a sentence, whatever is made with them") {
  constexpr int most = std::numeric_limits<int>::max();
  const char* const sentence = "threads is 2147483647, expected at most 4096; results do not depend on it";
  check_refused({.threads = most}, "threads");
  Trainer<Net, Reference> trainer({.batch = 1, .threads = 1});
  const auto weights = trainer.weights();
  const std::vector<float> images(16);
  const NHWC<float> picture{images};
  const std::vector<int> labels{1};
  const auto refused = [&](const auto& action) {
    CHECK_THROWS_WITH_AS(action(), doctest::Contains(sentence), Error);
  };
  refused([&] { (Inference<Net, Reference>(weights, {.threads = most})); });
  refused([&] { (void)score_at_depth(*weights, {}, picture, labels, {.threads = most}); });
  refused([&] { reestimate_norms(*weights, picture, {}, {.threads = most}); });
  CHECK_NOTHROW(Inference<Net, Reference>(weights, {.batch = 1, .threads = 33}));
}

TEST_CASE("a learning rate that means nothing is refused, and the old one stays") {
  Trainer<Net, Reference> trainer({.batch = 1, .sgd = {.learning_rate = 0.25}});
  for (const double rate : {not_a_number, infinity, -0.1, 1e39})
    CHECK_THROWS_WITH_AS(trainer.set_learning_rate(rate), doctest::Contains("learning_rate is "), Error);
  CHECK(trainer.options().sgd.learning_rate == 0.25);
  trainer.set_learning_rate(0);
  CHECK(trainer.options().sgd.learning_rate == 0);
}

TEST_CASE("gates, probabilities and batches that a network cannot train with are refused") {
  using Partly = Network<Input<1, 2, 2>, Conv<2>, BN, ReLU, Residual<Conv<2>, BN>,
                         StochasticDepth<Residual<Conv<2>, BN>, Uniform<0.5>>, GlobalAvgPool, Linear<2>>;
  Trainer<Partly, Reference> trainer({.batch = 2});
  const std::vector<float> images(8);
  const std::vector<int> labels{0, 1};
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{images}, labels, std::vector<std::uint8_t>{0, 1}),
                       "gates: block 0 is closed but stands outside StochasticDepth, so it cannot be skipped",
                       Error);
  CHECK_THROWS_WITH_AS(trainer.set_survival(std::vector{0.5, 0.5}),
                       "survival table: block 0 stands outside StochasticDepth, expected 1, found 0.5",
                       Error);
  CHECK(trainer.survival()[0] == 1);
  CHECK(trainer.steps() == 0);

  Trainer<Network<Input<1, 1, 1>, Conv<2, 1>, BN, ReLU, Linear<2>>, Reference> point({.batch = 2});
  const NHWC<float> two{std::span(images).first(2)}, one{std::span(images).first(1)};
  CHECK_THROWS_WITH_AS(point.step(one, std::vector{0}),
                       doctest::Contains("BN needs more than one number per channel in training"), Error);
  CHECK(point.step(two, labels).images == 2);
  constexpr std::size_t too_many = std::size_t{std::numeric_limits<int>::max()} + 1;
  // Nothing writes there, so it takes no memory.
  if (const std::unique_ptr<std::uint8_t[]> pixels(new (std::nothrow) std::uint8_t[too_many]); pixels)
    CHECK_THROWS_WITH_AS(point.step(NHWC<std::uint8_t>{{pixels.get(), too_many}}, labels),
                         "images: expected at most 2147483647 at once, found 2147483648", Error);
}

TEST_CASE("a network at test is not made with options that mean nothing") {
  Trainer<Net, Reference> trainer({.batch = 1});
  const std::shared_ptr<Weights<Net, Reference>> weights = trainer.weights();
  const std::vector<float> images(16);
  const std::vector<int> labels{1};
  const NHWC<float> picture{images};
  const std::vector<float> before(weights->running().span().begin(), weights->running().span().end());
  const auto check = [&](const TestOptions& options, const char* option) {
    CAPTURE(option);
    CHECK_THROWS_WITH_AS(score_at_depth(*weights, {}, picture, labels, options), doctest::Contains(option),
                         Error);
    CHECK_THROWS_WITH_AS(remove_each_block(*weights, picture, labels, options), doctest::Contains(option),
                         Error);
    CHECK_THROWS_AS(reestimate_norms(*weights, picture, {}, options), Error);
    CHECK(std::vector<float>(weights->running().span().begin(), weights->running().span().end()) == before);
  };
  for (const int number : {0, -1, lowest}) {
    check({.batch = number}, "options: batch is ");
    check({.threads = number}, "options: threads is ");
    CHECK_THROWS_WITH_AS((Inference<Net, Reference>(weights, {.batch = number})),
                         doctest::Contains("inference: batch is "), Error);
    CHECK_THROWS_WITH_AS((Inference<Net, Reference>(weights, {.batch = 1, .threads = number})),
                         doctest::Contains("inference: threads is "), Error);
    CHECK_THROWS_WITH_AS((detail::Walk<Net, Reference>(number, 1, true)),
                         doctest::Contains("walk: batch is "), Error);
    CHECK_THROWS_WITH_AS((detail::Walk<Net, Reference>(1, number, true)),
                         doctest::Contains("walk: threads is "), Error);
    CHECK_THROWS_WITH_AS(Workspace<float>{number}, doctest::Contains("workspace: threads is "), Error);
  }
  for (const double p : {not_a_number, infinity, -0.5, 1.5})
    check({.survival = {p}}, "block 0 has probability ");
  CHECK_NOTHROW(
      // a part of the images at a time
      Inference<Net, Reference>(weights, {.batch = std::numeric_limits<int>::max(), .threads = 3}));
  CHECK_THROWS_WITH_AS((Inference<Net, Reference>(std::shared_ptr<const Weights<Net, Reference>>())),
                       doctest::Contains("null"), Error);
  CHECK_THROWS_WITH_AS((Inference<Net, Reference>(std::shared_ptr<const FoldedWeights<Net, Reference>>())),
                       doctest::Contains("null"), Error);
}

}  // namespace sdepth::test::options_test
