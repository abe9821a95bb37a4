// Several processes that make each step together give the bits of one, whatever their number, for every kind
// of layer that adds up over a batch.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <limits>
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/net.hpp>

#include "shared_steps.hpp"

namespace sdepth::test::shared_steps_test {

namespace {

template <class Net, class Backend = Cpu<>, class Optimizer = SGD>
void same_for_any_number_of_ranks(
    const typename Trainer<Net, Backend, CrossEntropy, Optimizer>::Options& options) {
  const Trace expected = train_alone<Net, Backend, Optimizer>(options);
  for (const int ranks : {1, 2, 4, 8}) {
    CAPTURE(ranks);
    for (const bool far : {false, true})  // which reads a stage's operands twice
      for (const Trace& trace : train_together<Net, Backend, Optimizer>(ranks, options, false, nullptr, far))
        CHECK(trace == expected);
  }
}

// Rows of such blocks, a change of shape and a branch that ends in no norm; at 0.3 parts of small batches
// have no survivors.
template <Gating Gates>
using EachImage =
    Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
            Repeat<2, StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, Uniform<0.3>, Gates>>,
            StochasticDepth<ResidualWith<ProjectionShortcut, Conv<16, 3, 2>, BN, ReLU, Conv<16>, BN>,
                            Uniform<0.5>, Gates>,
            StochasticDepth<Residual<BN, ReLU, Conv<16>, Dropout<0.2>>, Uniform<0.6>, Gates>, GlobalAvgPool,
            Linear<4>>;

template <Gating Gates>
void check_gates_of_each_image() {
  using Net = EachImage<Gates>;
  const TrainingOptions options{.batch = shared_batch, .threads = 1, .seed = 8};
  const Trace alone = train_alone<Net, Cpu<>>(options), expected = train_in_parts<Net, Cpu<>>(options);
  for (std::size_t i = 0; i < alone.losses.size(); ++i)
    CHECK(expected.losses[i] == doctest::Approx(alone.losses[i]).epsilon(1e-5));
  for (const int ranks : {1, 2, 4, 8}) {
    CAPTURE(ranks);
    for (const Trace& trace : train_together<Net, Cpu<>>(ranks, options)) CHECK(trace == expected);
  }
}

}  // namespace

TEST_CASE("weights, statistics and losses are those of one process, to the bit") {
  same_for_any_number_of_ranks<Everything>({.batch = shared_batch, .threads = 1, .seed = 3});
  SUBCASE("on two threads each, skipped blocks frozen") {
    same_for_any_number_of_ranks<Everything>(
        {.batch = shared_batch, .threads = 2, .seed = 4, .skip_update = SkipUpdate::frozen});
  }
  SUBCASE("with AdamW") {
    same_for_any_number_of_ranks<Everything, Cpu<>, AdamW>({.batch = shared_batch, .threads = 1, .seed = 5});
  }
  SUBCASE("with activations in bfloat16") {
    same_for_any_number_of_ranks<Everything, CpuBfloat16>({.batch = shared_batch, .threads = 1, .seed = 6});
  }
  SUBCASE("with activations in bfloat16 that are rounded stochastically") {
    same_for_any_number_of_ranks<Everything, CpuBfloat16>(
        {.batch = shared_batch, .threads = 1, .seed = 6, .rounding = Rounding::stochastic});
  }
}

TEST_CASE(
    "with a gate for each image the bits do not depend on how many processes there are, and the numbers are those of one that has no others") {
  check_gates_of_each_image<Gating::per_sample>();
  check_gates_of_each_image<Gating::per_sample_exact>();
}

TEST_CASE("shares that do not fit are refused in a sentence by every process, and the next step is made") {
  using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool, Linear<4>>;
  using Small = Trainer<Net, Cpu<>>;
  on_ranks(3, [](Meeting::Rank& rank) {
    CHECK_THROWS_WITH_AS(Small({.batch = 8}, rank),
                         doctest::Contains("which 3 processes cannot share evenly"), Error);
  });
  on_ranks(2, [](Meeting::Rank& rank) {
    CHECK_THROWS_WITH_AS((Trainer<Net, Reference>({.batch = 8}, rank)),
                         doctest::Contains("whose kernels take whole batches"), Error);
  });
  const Data data = data_of(8);
  on_ranks(2, [&](Meeting::Rank& rank) {
    Small trainer({.batch = 8, .threads = 1}, rank);
    const auto images = [&](std::size_t count) {
      return NHWC<float>{std::span(data.images).first(count * 192)};
    };
    const auto labels = [&](std::size_t count) { return std::span(data.labels).first(count); };
    const std::size_t first = rank.rank() == 0 ? 3 : 4;  // of 7 the first process has 4
    CHECK_THROWS_WITH_AS(trainer.step(images(first), labels(first)),
                         doctest::Contains("rank 0 has 3 of the 7 images of this batch, expected 4"), Error);
    const auto many = static_cast<std::size_t>(
        trainer.share().images_of(9).size());  // one of the two has no more than in a batch
    CHECK_THROWS_WITH_AS(trainer.step(images(many), labels(many)), doctest::Contains("found 9"), Error);
    CHECK_THROWS_WITH_AS(static_cast<void>(trainer.evaluate(images(many), labels(many))),
                         doctest::Contains("evaluate: expected at most 8 images of all processes"), Error);
    CHECK(trainer.step(images(4), labels(4)).images == 8);
    CHECK(trainer.evaluate(images(4), labels(4)).images == 8);
  });
}

TEST_CASE("what one process refuses is an error of all, and the next step is made") {
  using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, GlobalAvgPool, Linear<4>>;
  on_ranks(2, [](Meeting::Rank& rank) {
    Trainer<Net, Cpu<>> trainer({.batch = 8, .threads = 1}, rank);
    const bool first = rank.rank() == 0;
    Data data = data_of(4), bad = data;
    const auto images = [](const Data& of) { return NHWC<float>{of.images}; };
    if (!first) bad.labels[2] = 4;
    const char* said = "rank 1: labels: image 2 has label 4";
    CHECK_THROWS_WITH_AS(trainer.step(images(bad), bad.labels), doctest::Contains(said), Error);
    CHECK_THROWS_WITH_AS(trainer.compute_gradients(images(bad), bad.labels), doctest::Contains(said), Error);
    CHECK_THROWS_WITH_AS((void)trainer.evaluate(images(bad), bad.labels), doctest::Contains(said), Error);
    if (!first) bad.images.pop_back();
    CHECK_THROWS_WITH_AS(trainer.step(images(bad), data.labels),
                         doctest::Contains("rank 1: images: expected a multiple"), Error);

    CHECK(trainer.step(images(data), data.labels).images == 8);
    bad = data;
    if (!first) bad.images[5] = std::numeric_limits<float>::quiet_NaN();
    CHECK_THROWS_WITH_AS((void)trainer.evaluate(images(bad), data.labels),
                         doctest::Contains(first ? "evaluate: the loss is" : "logits: image 0 has"), Error);
    CHECK(trainer.evaluate(images(data), data.labels).images == 8);
  });
}

TEST_CASE("what a skipped block would add is not sent") {
  using Deep = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU,
                       Repeat<4, StochasticDepth<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>, Uniform<0.5>>>,
                       GlobalAvgPool, Linear<4>>;
  const Data data = data_of(8);
  std::vector<std::uint64_t> sent;
  for (const bool open : {true, false})
    on_ranks(2, [&](Meeting::Rank& rank) {
      Trainer<Deep, Cpu<>> trainer({.batch = 8, .threads = 1}, rank);
      const Range mine = trainer.share().images_of(8);
      const auto first = static_cast<std::size_t>(mine.first), size = static_cast<std::size_t>(mine.size());
      const std::vector<std::uint8_t> gates(4, static_cast<std::uint8_t>(open));
      trainer.step(NHWC<float>{std::span(data.images).subspan(first * 192, size * 192)},
                   std::span(data.labels).subspan(first, size), gates);
      if (rank.rank() == 0) sent.push_back(rank.traffic().summed_bytes);
    });
  CHECK(sent[0] > 5 * sent[1]);
}

}  // namespace sdepth::test::shared_steps_test
