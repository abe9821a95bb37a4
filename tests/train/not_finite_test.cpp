// A loss or logits that are not finite are no result: evaluations say which image has them, and predictions
// keep them to it.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::not_finite_test {

namespace {

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, MaxPool<2>, Repeat<2, Drop<8>>, Drop<12, 2>,
                    GlobalAvgPool, Linear<4>>;
constexpr int count = 7;
constexpr std::size_t size = 192;
constexpr float strangers[] = {std::numeric_limits<float>::quiet_NaN(),
                               std::numeric_limits<float>::infinity(),
                               -std::numeric_limits<float>::infinity()};

const std::vector<int> labels = {0, 1, 2, 3, 0, 1, 2};
[[nodiscard]] std::vector<float> some_images() {
  std::vector<float> images(count * size);
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(uniform(random_words(5, Purpose::synthetic, i, 0)[0]) - 0.5);
  return images;
}
template <class Backend>
[[nodiscard]] Trainer<Net, Backend> some_trainer() {
  TrainingOptions options;
  options.batch = 3;
  options.threads = 2;
  Trainer<Net, Backend> trainer(options);
  const std::vector<float> images = some_images();
  trainer.step(NHWC<float>{std::span(images).first(3 * size)}, std::vector<int>{0, 1, 2});
  return trainer;
}
[[nodiscard]] TestOptions in_small_batches() {
  TestOptions options;
  options.batch = 3;
  options.threads = 2;
  return options;
}

}  // namespace

TEST_CASE_TEMPLATE(
    "an image with a pixel that is not finite is named, and other images' logits are the same bits", Backend,
    Reference, Cpu<>) {
  Trainer<Net, Backend> trainer = some_trainer<Backend>();
  Inference<Net, Backend> inference(trainer.weights(), {.batch = 3, .threads = 2});
  const std::vector<float> images = some_images();
  const std::vector<float> expected = trainer.predict(NHWC<float>{images}),
                           folded = inference.predict(NHWC<float>{images});
  CHECK(std::isfinite(trainer.evaluate(NHWC<float>{images}, labels).loss));
  for (const float stranger : strangers)
    for (const std::size_t pixel : {std::size_t{0}, std::size_t{95}, size - 1}) {
      std::vector<float> poisoned = images;
      poisoned[4 * size + pixel] = stranger;
      const NHWC<float> pictures{poisoned};
      const std::vector<float> logits = trainer.predict(pictures), others = inference.predict(pictures);
      for (std::size_t i = 0; i < logits.size(); ++i) {
        CHECK((i / 4 == 4 ? !std::isfinite(logits[i]) : logits[i] == expected[i]));
        CHECK((i / 4 == 4 ? !std::isfinite(others[i]) : others[i] == folded[i]));
      }
      CHECK_THROWS_WITH_AS(trainer.evaluate(pictures, labels), doctest::Contains("logits: image 4 has "),
                           Error);
      CHECK_THROWS_WITH_AS(score_at_depth(*trainer.weights(), {}, pictures, labels, in_small_batches()),
                           doctest::Contains("logits: image 4 has "), Error);
      CHECK_THROWS_WITH_AS(score_of(others, labels, 4), doctest::Contains("logits: image 4 has "), Error);
      CHECK_THROWS_WITH_AS(check_logits(others, 4), doctest::Contains("logits: image 4 has "), Error);
      CHECK(trainer.predict(NHWC<float>{images}) == expected);
    }
  CHECK_NOTHROW(check_logits(folded, 4));
}

TEST_CASE_TEMPLATE("weights from which a network computes NaN or an infinity have no loss", Backend,
                   Reference, Cpu<>) {
  const std::vector<float> images = some_images();
  const NHWC<float> pictures{images};
  const auto check = [&](const char* name, float value) {
    CAPTURE(name);
    Trainer<Net, Backend> trainer = some_trainer<Backend>();
    trainer.parameter(name).array() = value;
    for (const int again : {1, 2}) {
      CAPTURE(again);
      CHECK_THROWS_WITH_AS(trainer.evaluate(pictures, labels), doctest::Contains("logits: image 0 has "),
                           Error);
      CHECK_THROWS_WITH_AS(trainer.evaluate(pictures, labels),
                           doctest::Contains("a negative running variance"), Error);
      CHECK_THROWS_WITH_AS(score_at_depth(*trainer.weights(), {}, pictures, labels, in_small_batches()),
                           doctest::Contains("a negative running variance"), Error);
    }
  };
  check("bn1.running_var", -1);
  check("blocks.1.bn2.running_var", -2);
  check("fc.weight", std::numeric_limits<float>::max());
  check("fc.bias", -std::numeric_limits<float>::infinity());
}

TEST_CASE_TEMPLATE("what is left without a block may have no finite loss, and is then dropped last", Backend,
                   Reference, Cpu<>) {
  Trainer<Net, Backend> trainer = some_trainer<Backend>();
  trainer.parameter("blocks.2.bn2.running_var").array() = -1;  // with block 2 the logits are NaN
  const std::vector<float> images = some_images();
  const std::vector<BlockRemoval> removals =
      remove_each_block(*trainer.weights(), NHWC<float>{images}, labels, in_small_batches());
  REQUIRE(removals.size() == 3);
  CHECK_FALSE(std::isfinite(removals[0].score.loss));
  CHECK(removals[0].score.errors == count);
  CHECK_FALSE(std::isfinite(removals[1].score.loss));
  CHECK(std::isfinite(removals[2].score.loss));
  CHECK(drop_order_by_harm(removals) == std::vector<int>{2, 1, 0});
}

TEST_CASE("logits that are not those of whole images are refused, not read beyond") {
  const std::vector<float> logits(7);
  const std::vector<int> two{0, 1};
  for (const int classes : {3, 0, -7, 2}) {
    CAPTURE(classes);
    const auto refused = [&](const auto& action) {
      CHECK_THROWS_WITH_AS(
          action(), doctest::Contains("as many for each image as there are classes, found 7 for "), Error);
    };
    refused([&] { static_cast<void>(classes_of(logits, classes)); });
    refused([&] { check_logits(logits, classes); });
    refused([&] { static_cast<void>(score_of(logits, two, classes)); });
    refused([&] { static_cast<void>(score_of_any(logits, two, classes)); });
  }
}

}  // namespace sdepth::test::not_finite_test
