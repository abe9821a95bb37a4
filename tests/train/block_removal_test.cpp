// What blocks are worth: measured without each in turn on networks whose blocks' worth is known.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::block_removal_test {

namespace {

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;
/// 1 × 1 pixels of 4 channels, so that weights can be written by hand: block 2 always runs, the others may be
/// dropped.
using Hand = Network<Input<4, 1, 1>, ReLU, Repeat<2, Drop<Residual<Conv<4, 1>>>>, Residual<Conv<4, 1>>,
                     Repeat<2, Drop<Residual<Conv<4, 1>>>>, Linear<4>>;

/// Image n is bright in channel n, and the linear layer says so: without any branch all four are right, by a
/// margin of 2.
template <class Backend>
[[nodiscard]] Trainer<Hand, Backend> by_hand() {
  TrainingOptions options;
  options.scaling = Scaling::train;  // branches are added as they are
  Trainer<Hand, Backend> trainer(options);
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) trainer.parameter(tensor.name).setZero();
  trainer.parameter("fc.weight").setIdentity();
  return trainer;
}
const std::vector<float> images = {2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2};
const std::vector<int> labels = {0, 1, 2, 3};
/// Loss where each image's own logit is above the other three's by this much.
[[nodiscard]] double loss_at(double margin) { return std::log(1 + 3 * std::exp(-margin)); }

}  // namespace

TEST_CASE_TEMPLATE(
    "each block's worth is the network's loss without it, and the least harmful is dropped first", Backend,
    ReferenceDouble, Cpu<>) {
  using T = typename Backend::Scalar;
  auto trainer = by_hand<Backend>();
  TestOptions options;
  options.scaling = Scaling::train;
  const NHWC<float> pictures{images};
  // Block 0: x → x + x, the margin doubles. Block 1: nothing. Block 3: takes half back, it harms. Block 4:
  // moves channel 0's light to 1, and 0 is wrong.
  trainer.parameter("blocks.0.conv1.weight").setIdentity();
  trainer.parameter("blocks.3.conv1.weight").setIdentity();
  trainer.parameter("blocks.3.conv1.weight") *= static_cast<T>(-0.5);
  trainer.parameter("blocks.4.conv1.weight")(0, 0) = -1;
  trainer.parameter("blocks.4.conv1.weight")(0, 1) = 1;
  // channel 0's light counts for class 1
  const double moved = (3 * loss_at(2) + std::log(3 + std::exp(2.0))) / 4;

  CHECK(score_at_depth(*trainer.weights(), {}, pictures, labels, options).loss == doctest::Approx(moved));
  CHECK(trainer.evaluate(pictures, labels).loss == doctest::Approx(moved));
  const std::vector<BlockRemoval> removals = remove_each_block(*trainer.weights(), pictures, labels, options);
  REQUIRE(removals.size() == 4);
  const auto is = [&](std::size_t i, int block, double loss, int errors) {
    CAPTURE(block);
    CHECK(removals[i].block == block);
    CHECK(removals[i].score.loss == doctest::Approx(loss));
    CHECK(removals[i].score.errors == errors);
    CHECK(removals[i].score.images == 4);
    CHECK(removals[i].score.blocks_run == 4);
  };
  is(0, 0, (3 * loss_at(1) + std::log(3 + std::exp(1.0))) / 4, 1);
  is(1, 1, moved, 1);
  is(2, 3, (3 * loss_at(4) + std::log(3 + std::exp(4.0))) / 4, 1);
  is(3, 4, loss_at(2), 0);
  CHECK(drop_order_by_harm(removals) == std::vector<int>{4, 1, 0, 3});

  // The others of a plan, not all others.
  const DepthPlan without_last{{1, 1, 1, 1, 0}};
  const std::vector<BlockRemoval> fewer =
      remove_each_block(*trainer.weights(), pictures, labels, options, without_last);
  REQUIRE(fewer.size() == 3);
  CHECK(fewer[2].block == 3);
  CHECK(fewer[2].score.loss == doctest::Approx(loss_at(4)));
  CHECK(drop_order_by_harm(fewer) == std::vector<int>{3, 1, 0});
}

TEST_CASE("kept blocks keep the scale of their survival probability") {
  auto trainer = by_hand<ReferenceDouble>();
  trainer.parameter("blocks.0.conv1.weight").setIdentity();
  trainer.parameter("blocks.4.conv1.weight").setIdentity();
  const NHWC<float> pictures{images};
  // p of the four stochastic blocks: 0.875, 0.75, 0.625, 0.5.
  CHECK(score_at_depth(*trainer.weights(), {}, pictures, labels).loss ==
        doctest::Approx(loss_at(2 * 1.875 * 1.5)));
  CHECK(score_at_depth(*trainer.weights(), {{0, 1, 1, 1, 1}}, pictures, labels).loss ==
        doctest::Approx(loss_at(2 * 1.5)));
  TestOptions own;
  own.survival = {1, 1, 1, 1, 0.25};
  CHECK(score_at_depth(*trainer.weights(), {{0, 1, 1, 1, 1}}, pictures, labels, own).loss ==
        doctest::Approx(loss_at(2 * 1.25)));
}

TEST_CASE("equals go by errors, then the deepest first; a loss that is no number is the worst") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<BlockRemoval> removals = {{0, {nan, 0, 9, 8}},
                                              {1, {0.5, 3, 9, 8}},
                                              {2, {0.5, 2, 9, 8}},
                                              {3, {0.5, 3, 9, 8}},
                                              {5, {0.25, 9, 9, 8}}};
  CHECK(drop_order_by_harm(removals) == std::vector<int>{5, 2, 3, 1, 0});
}

TEST_CASE("what does not fit is refused in a sentence") {
  auto trainer = by_hand<Cpu<>>();
  const NHWC<float> pictures{images};
  const std::vector<int> few = {0}, wrong = {0, 1, 2, 4};
  CHECK_THROWS_WITH_AS(remove_each_block(*trainer.weights(), pictures, few),
                       doctest::Contains("expected one for each of 4 images"), Error);
  CHECK_THROWS_WITH_AS(remove_each_block(*trainer.weights(), pictures, wrong),
                       doctest::Contains("label 4, expected a number from 0 to 3"), Error);
  CHECK_THROWS_WITH_AS(score_at_depth(*trainer.weights(), {{1, 1, 0, 1, 1}}, pictures, labels),
                       doctest::Contains("block 2 is dropped"), Error);
  TestOptions other;
  other.survival = {1, 1};
  CHECK_THROWS_WITH_AS(score_at_depth(*trainer.weights(), {}, pictures, labels, other),
                       doctest::Contains("expected 5 probabilities"), Error);
}

}  // namespace sdepth::test::block_removal_test
