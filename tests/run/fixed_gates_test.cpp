// Compile-time gates: the same bits as the same gates at run time, and nothing left of what is closed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "backends.hpp"

namespace sdepth::test::fixed_gates_test {

namespace {

/// 9 blocks, 8 of them stochastic: two groups in loops, two that change the shape, and one outside
/// StochasticDepth.
template <class Shortcut, class Schedule>
//
using Net =
    Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
            //
            Repeat<4, StochasticDepth<ResidualWith<Shortcut, Conv<8>, BN, ReLU, Conv<8>, BN>, Schedule>>,
            //
            ResidualWith<Shortcut, Conv<8>, BN>,
            //
            StochasticDepth<ResidualWith<Shortcut, Conv<12, 3, 2>, BN, ReLU, Conv<12>, BN>, Schedule>,
            //
            Repeat<2, StochasticDepth<ResidualWith<Shortcut, Conv<12>, BN>, Schedule>>,
            StochasticDepth<ResidualWith<Shortcut, Conv<16, 3, 2>, BN>, Schedule>, GlobalAvgPool, Linear<4>>;
using Mixed = FixedGates<1, 0, 0, 1, /**/ 0, /**/ 0, 1, /**/ 1>;
using Opposite = FixedGates<0, 1, 1, 0, /**/ 1, /**/ 1, 0, /**/ 0>;
using LoopsClosed = FixedGates<0, 0, 0, 0, /**/ 1, /**/ 0, 0, /**/ 0>;

/// Blocks that begin with a norm, end in a ReLU, have no norm at their end or stand in a Repeat of one; some
/// have gates that are drawn.
template <class Schedule>
//
using OddNet =
    Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
            //
            Repeat<2, StochasticDepth<PreActivation<BN, ReLU, Conv<8>>, Schedule>>,
            //
            Repeat<1, StochasticDepth<PreActivation<BN, ReLU, Conv<16, 3, 2>>, Schedule>>, BN, ReLU,
            //
            Repeat<2, StochasticDepth<Residual<Conv<16>, ReLU>, Schedule>>,
            Repeat<3, StochasticDepth<Residual<Conv<16>, BN>, Uniform<0.5>>>, GlobalAvgPool, Linear<4>>;
using OddMixed = FixedGates<0, 1, /**/ 0, /**/ 1, 0, /**/ 1, 1, 1>;
using OddOpposite = FixedGates<1, 0, /**/ 1, /**/ 0, 1, /**/ 0, 0, 0>;

constexpr int batch = 5;

struct Data {
  std::vector<float> images = std::vector<float>(batch * 3 * 64);
  std::vector<int> labels = std::vector<int>(batch);
  Data() {
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i] = static_cast<float>(uniform(random_words(7, Purpose::synthetic, i, 0)[0])) - 0.5F;
    for (std::size_t n = 0; n < labels.size(); ++n) labels[n] = static_cast<int>(n % 4);
  }
};

template <class T>
std::vector<T> copy(const Buffer<T>& buffer) {
  return {buffer.data(), buffer.data() + buffer.size()};
}

/// Trains both for some steps, with the gates that each draws for itself, and compares everything there is to
/// see.
template <class Fixed, class Drawn, class Backend>
void check_same_bits(Scaling scaling, SkipUpdate policy) {
  const Data data;
  TrainingOptions options;
  options.batch = batch;
  options.threads = 2;
  options.seed = 3;
  options.scaling = scaling;
  options.skip_update = policy;
  options.gamma = GammaInit::uniform;
  Trainer<Fixed, Backend> fixed(options);
  Trainer<Drawn, Backend> drawn(options);
  drawn.set_survival(Fixed::survival);

  for (int step = 0; step < 3; ++step) {
    const Score one = fixed.step(NHWC<float>{data.images}, data.labels),
                other = drawn.step(NHWC<float>{data.images}, data.labels);
    CHECK(one.loss == other.loss);
    CHECK(one.blocks_run == other.blocks_run);
    CHECK(fixed.walk().activation_bytes() == drawn.walk().activation_bytes());
    CHECK(fixed.walk().slots_all_free());
    CHECK(copy(fixed.gradients()) == copy(drawn.gradients()));
    CHECK(copy(fixed.optimizer_state("momentum")) == copy(drawn.optimizer_state("momentum")));
    CHECK(copy(fixed.weights()->parameters()) == copy(drawn.weights()->parameters()));
    CHECK(copy(fixed.weights()->running()) == copy(drawn.weights()->running()));
  }
  // At test the drawn network multiplies closed branches by 0; scaled in training, it would add them as they
  // are.
  if (scaling != Scaling::test) return;
  const NHWC<float> images{data.images};
  CHECK(fixed.evaluate(images, data.labels).loss == drawn.evaluate(images, data.labels).loss);
  CHECK(fixed.evaluate(images, data.labels).blocks_run == Fixed::residual_blocks - Fixed::closed_blocks);
  CHECK(fixed.predict(images) == drawn.predict(images));
  CHECK(fixed.walk().slots_all_free());
  Inference<Fixed, Backend> fixed_inference(fixed.weights(), {.batch = batch, .threads = 2});
  Inference<Drawn, Backend> drawn_inference(drawn.weights(),
                                            {.survival = Fixed::survival, .batch = batch, .threads = 2});
  CHECK(fixed_inference.predict(images) == drawn_inference.predict(images));
}

/// A closed branch cannot be read: NaN in its parameters does not reach a loss, a logit or another parameter.
template <class Fixed, class Backend>
void check_never_read() {
  const Data data;
  TrainingOptions options;
  options.batch = batch;
  options.skip_update = SkipUpdate::frozen;
  Trainer<Fixed, Backend> trainer(options);
  auto& parameters = trainer.weights()->parameters();
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    const auto block = static_cast<std::size_t>(tensor.block);
    if (tensor.trainable() && tensor.block >= 0 && Fixed::survival[block] == 0)
      std::fill_n(parameters.data() + tensor.offset, tensor.size, std::numeric_limits<float>::quiet_NaN());
  }
  const NHWC<float> images{data.images};
  for (int step = 0; step < 2; ++step) CHECK(std::isfinite(trainer.step(images, data.labels).loss));
  CHECK(std::isfinite(trainer.evaluate(images, data.labels).loss));
  Inference<Fixed, Backend> inference(trainer.weights(), {.batch = batch});
  for (const float logit : inference.predict(images)) CHECK(std::isfinite(logit));
}

}  // namespace

TEST_CASE_TEMPLATE("fixed gates give the bits of the same gates at run time", Backend, AND_CPU(Reference)) {
  check_same_bits<Net<PoolShortcut, Mixed>, Net<PoolShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::as_code);
  check_same_bits<Net<PoolShortcut, Mixed>, Net<PoolShortcut, LinearDecay<0.5>>, Backend>(Scaling::train,
                                                                                          SkipUpdate::frozen);
  check_same_bits<Net<PoolShortcut, Opposite>, Net<PoolShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::as_code);
  check_same_bits<Net<PoolShortcut, LoopsClosed>, Net<PoolShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::frozen);
}
TEST_CASE_TEMPLATE("… with subsampling shortcuts", Backend, AND_CPU(Reference)) {
  check_same_bits<Net<SubsampleShortcut, Mixed>, Net<SubsampleShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::as_code);
  check_same_bits<Net<SubsampleShortcut, Opposite>, Net<SubsampleShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::frozen);
}
TEST_CASE_TEMPLATE("… with projections", Backend, AND_CPU(Reference)) {
  check_same_bits<Net<ProjectionShortcut, Mixed>, Net<ProjectionShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::as_code);
  check_same_bits<Net<ProjectionShortcut, Opposite>, Net<ProjectionShortcut, LinearDecay<0.5>>, Backend>(
      Scaling::test, SkipUpdate::frozen);
}
TEST_CASE_TEMPLATE("… in odd blocks, beside blocks whose gates are drawn", Backend, AND_CPU(Reference)) {
  using Drawn = OddNet<LinearDecay<0.5>>;
  const auto check = []<class Gates>(std::type_identity<Gates>) {
    using Fixed = OddNet<Gates>;
    static_assert(Fixed::survival[5] == 0.5 && !Fixed::fixed[5] && Fixed::fixed[0]);
    check_same_bits<Fixed, Drawn, Backend>(Scaling::train, SkipUpdate::as_code);
    check_same_bits<Fixed, Drawn, Backend>(Scaling::test, SkipUpdate::as_code);
  };
  check(std::type_identity<OddMixed>{});
  check(std::type_identity<OddOpposite>{});
}

TEST_CASE_TEMPLATE("a closed block's numbers are never read", Backend, AND_CPU(Reference)) {
  check_never_read<Net<PoolShortcut, Mixed>, Backend>();
  check_never_read<Net<PoolShortcut, LoopsClosed>, Backend>();
}

TEST_CASE("a closed block keeps no record, and a loop one for each open block") {
  using Block = Residual<Conv<8>, BN>;
  constexpr Shape in{8, 4, 4};
  using Two = detail::Lowering<
      Chain<StochasticDepth<Block, FixedGates<1, 0>>, StochasticDepth<Block, FixedGates<1, 0>>>, in>::type;
  using Open = detail::TrainingStage<Reference, Two::First, false>;
  using Closed = detail::TrainingStage<Reference, Two::Last, false>;
  static_assert(Closed::places.empty() && Open::places.size() == 1);
  using Gates = FixedGates<1, 0, 1, 0, 0, 1>;
  using Long = detail::Lowering<
      Chain<Repeat<2, StochasticDepth<Block, Gates>>, Repeat<4, StochasticDepth<Block, Gates>>>, in>::type;
  using Loop = detail::TrainingStage<Reference, Long::Last, false>;
  static_assert(Loop::places == std::array{0, 3});
  static_assert(std::tuple_size_v<Loop::Record> == 2);
  using None = detail::Lowering<Chain<Repeat<3, StochasticDepth<Block, FixedGates<0, 0, 0>>>>, in>::type;
  static_assert(std::tuple_size_v<detail::TrainingStage<Reference, None::First, false>::Record> == 0);
}

TEST_CASE("the walk does not look at the gates of blocks that have fixed ones") {
  using Fixed = Net<PoolShortcut, Mixed>;
  Weights<Fixed, Cpu<>> weights;
  std::vector<double> scales(static_cast<std::size_t>(Fixed::residual_blocks), 1.0);
  std::vector<std::uint8_t> gates(static_cast<std::size_t>(Fixed::residual_blocks), 1);
  detail::Walk<Fixed, Cpu<>> walk(2, 1, true);
  std::vector<float> gradients(weights.parameters().size());
  const detail::WalkParameters<float> numbers{weights.parameters().data(), weights.running().data(),
                                              gradients.data(), weights.running().data()};
  std::vector<std::size_t> bytes;
  for (const std::uint8_t gate : {std::uint8_t{1}, std::uint8_t{0}}) {
    for (std::size_t block = 0; block < gates.size(); ++block)
      if (Fixed::fixed[block]) gates[block] = gate;
    walk.forward(2, true, numbers, gates, scales);
    bytes.push_back(walk.activation_bytes());
    walk.backward(2, numbers, walk.take_gradient());
    CHECK(walk.slots_all_free());
  }
  CHECK(bytes[0] == bytes[1]);
}

TEST_CASE("a trainer has the survival table of its network (g++ 12 copies this one wrongly if it is let)") {
  using Fixed = Network<Input<3, 4, 4>, Conv<4>, ReLU,
                        Repeat<7, StochasticDepth<Residual<Conv<4>>, FixedGates<1, 1, 0, 0, 0, 0, 0>>>,
                        GlobalAvgPool, Linear<2>>;
  Trainer<Fixed, Reference> trainer;
  CHECK(std::equal(trainer.survival().begin(), trainer.survival().end(), Fixed::survival.begin()));
  trainer.set_survival(Fixed::survival);
  CHECK(std::equal(trainer.survival().begin(), trainer.survival().end(), Fixed::survival.begin()));
  const std::vector<float> images(2 * 48, 0.5F);
  CHECK(trainer.step(NHWC<float>{images}, std::vector<int>{0, 1}).blocks_run == 2);
}

TEST_CASE("other gates or probabilities than the fixed ones are refused") {
  using Fixed = Net<PoolShortcut, Mixed>;
  const Data data;
  TrainingOptions options;
  options.batch = batch;
  Trainer<Fixed, Reference> trainer(options);
  const NHWC<float> images{data.images};
  std::vector<std::uint8_t> gates = {1, 0, 0, 1, 1, 0, 0, 1, 1};
  CHECK_NOTHROW(trainer.step(images, data.labels, gates));
  gates[1] = 1;
  CHECK_THROWS_WITH_AS(
      trainer.step(images, data.labels, gates),
      "gates: block 1 is closed by its FixedGates, found the other; to choose gates at run time use a schedule such as LinearDecay",
      Error);
  gates[1] = 0, gates[8] = 0;
  CHECK_THROWS_WITH_AS(
      trainer.step(images, data.labels, gates),
      "gates: block 8 is open by its FixedGates, found the other; to choose gates at run time use a schedule such as LinearDecay",
      Error);
  CHECK(trainer.steps() == 1);

  std::vector<double> survival(Fixed::survival.begin(), Fixed::survival.end());
  CHECK_NOTHROW(trainer.set_survival(survival));
  survival[5] = 0.5;
  CHECK_THROWS_WITH_AS(
      trainer.set_survival(survival),
      "survival table: block 5 has a gate of FixedGates, expected 0, found 0.5; to choose probabilities at run time use a "
      "schedule such as LinearDecay",
      Error);
}

}  // namespace sdepth::test::fixed_gates_test
