// A network whose schedules change in the run: its table at each place of it, the gates and the scale at test
// that follow, and that nothing else of the network changes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include <sdepth/core/philox.hpp>
#include <sdepth/io/checkpoint.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/network/survival_over_time.hpp>
#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/gates.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::survival_over_time_test {

namespace {

using Block = Residual<Conv<4>, BN>;
template <class Schedule>
using Net = Network<Input<1, 4, 4>, Conv<4>, BN, ReLU, Block, Repeat<4, StochasticDepth<Block, Schedule>>,
                    GlobalAvgPool, Linear<2>>;
using Plain = Net<LinearDecay<0.5>>;
using Half = Net<Early<LinearDecay<0.5>, 0.5>>;

constexpr std::uint64_t seed = 5;

struct Data {
  std::vector<float> images;
  std::vector<int> labels;
};
Data some_data() {
  Data data{std::vector<float>(8 * 16), {0, 1, 1, 0, 1, 0, 0, 1}};
  for (std::size_t i = 0; i < data.images.size(); ++i)
    data.images[i] = static_cast<float>(uniform(random_words(3, Purpose::synthetic, i, 0)[0]) - 0.5);
  return data;
}
template <class AnyNet>
Trainer<AnyNet, Reference> trainer_of() {
  return Trainer<AnyNet, Reference>({.batch = 8, .threads = 1, .seed = seed});
}

}  // namespace

TEST_CASE(
    "a network's survival table is that of its schedules at a place of the run; blocks without one always run") {
  const std::vector<double> own = {1, 0.875, 0.75, 0.625, 0.5}, ones(5, 1.0);
  CHECK(std::ranges::equal(Half::survival, own));  // where it is at work
  CHECK(survival_at<Half>(0) == own);
  CHECK(survival_at<Half>(0.49) == own);
  CHECK(survival_at<Half>(0.5) == ones);
  CHECK(survival_at<Half>(1) == ones);
  CHECK(survival_at<Net<WarmUp<LinearDecay<0.5>, 0.5>>>(0.25) ==
        std::vector<double>{1, 0.9375, 0.875, 0.8125, 0.75});
  for (const double progress : {0.0, 0.5, 1.0}) CHECK(survival_at<Plain>(progress) == own);

  // Of several schedules each has its own blocks; gates that the compiler knows stay.
  using Mixed = Network<Input<1, 4, 4>, Conv<4>, ReLU, StochasticDepth<Block, FixedGates<0, 1, 1>>,
                        StochasticDepth<Block, Late<Uniform<0.25>, 0.5>>, Block,
                        StochasticDepth<Block, Uniform<0.75>>, GlobalAvgPool, Linear<2>>;
  CHECK(survival_at<Mixed>(0.25) == std::vector<double>{0, 1, 1, 0.75});
  CHECK(survival_at<Mixed>(0.75) == std::vector<double>{0, 0.25, 1, 0.75});
  CHECK_NOTHROW(trainer_of<Mixed>().set_survival(survival_at<Mixed>(0.25)));

  for (const double nowhere : {-0.01, 1.01, std::numeric_limits<double>::quiet_NaN()})
    CHECK_THROWS_WITH_AS(static_cast<void>(survival_at<Half>(nowhere)),
                         doctest::Contains("expected the fraction of it that is done"), Error);
}

TEST_CASE(
    "gates are drawn from the epoch's table, and a branch is scaled at test by the probability trained last") {
  auto trainer = trainer_of<Half>();
  auto constant = trainer_of<Half>();
  const Data data = some_data();
  constexpr int epochs = 6, steps = 5;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    const std::vector<double> table = survival_at<Half>((epoch - 1.0) / epochs);
    trainer.set_survival(table);
    for (int i = 0; i < steps; ++i) {
      const std::uint64_t step = trainer.steps();
      trainer.step(NHWC<float>{data.images}, data.labels);
      for (int block = 0; block < Half::residual_blocks; ++block) {
        const double p = block == 0 || epoch > 3 ? 1.0 : 1.0 - block / 8.0;
        CHECK(static_cast<bool>(trainer.gates()[static_cast<std::size_t>(block)]) ==
              gate_open(seed, step, block, p));
      }
    }
  }
  // As it was trained last, with every block, and so without a scale.
  std::ranges::copy(trainer.weights()->parameters().span(), constant.weights()->parameters().data());
  std::ranges::copy(trainer.weights()->running().span(), constant.weights()->running().data());
  const std::vector<float> scaled = constant.predict(NHWC<float>{data.images});
  constant.set_survival(std::vector<double>(5, 1.0));
  CHECK(trainer.predict(NHWC<float>{data.images}) == constant.predict(NHWC<float>{data.images}));
  CHECK(trainer.predict(NHWC<float>{data.images}) != scaled);
}

TEST_CASE(
    "time changes neither tensors nor checkpoints: they go from a network with a schedule to one with the same over time") {
  const auto plain = Plain::parameters(4), half = Half::parameters(4);
  REQUIRE(plain.size() == half.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    CHECK(plain[i].name == half[i].name);
    CHECK(plain[i].offset == half[i].offset);
    CHECK(plain[i].shape == half[i].shape);
    CHECK(plain[i].block == half[i].block);
  }
  const Data data = some_data();
  auto before = trainer_of<Plain>();
  for (int i = 0; i < 3; ++i) before.step(NHWC<float>{data.images}, data.labels);
  ScratchFolder folder;
  save_checkpoint(folder / "plain", before, 0);
  auto after = trainer_of<Half>();
  restore(read_checkpoint(folder / "plain"), after);
  for (int i = 0; i < 3; ++i)
    CHECK(before.step(NHWC<float>{data.images}, data.labels).loss ==
          after.step(NHWC<float>{data.images}, data.labels).loss);
  CHECK(std::ranges::equal(before.weights()->parameters().span(), after.weights()->parameters().span()));

  // But not into another part of the run, where other gates would be drawn.
  after.set_survival(survival_at<Half>(0.5));
  CHECK_THROWS_WITH_AS(restore(read_checkpoint(folder / "plain"), after),
                       doctest::Contains("another survival table"), Error);
}

}  // namespace sdepth::test::survival_over_time_test
