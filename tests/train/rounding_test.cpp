// Training with activations that are rounded stochastically: as reproducible as any, on every thread and
// backend, whatever is skipped; and its gradients are right on average.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <sdepth/net.hpp>

#include "bfloat16_network.hpp"

namespace sdepth::test::rounding_test {

namespace {

using namespace bfloat16_network;

constexpr int steps = 4;

/// As they are stored: images are not rounded stochastically.
template <class Net>
[[nodiscard]] Data stored_data() {
  Data data = some_data<Net>();
  for (float& number : data.images) number = bfloat16(number);
  return data;
}

struct Run {
  std::vector<double> losses;
  std::vector<float> weights;
};
template <class Net, class Backend>
[[nodiscard]] Run train(int threads, Rounding rounding = Rounding::stochastic) {
  const Data data = stored_data<Net>();
  Trainer<Net, Backend> trainer(
      {.batch = batch, .threads = threads, .seed = 5, .sgd = {.learning_rate = 0.05}, .rounding = rounding});
  Run run;
  for (int step = 0; step < steps; ++step)
    run.losses.push_back(trainer.step(NHWC<float>{data.images}, data.labels).loss);
  const std::span<const float> weights = trainer.weights()->parameters().span();
  run.weights.assign(weights.begin(), weights.end());
  return run;
}

template <Gating Gates>
void check_training() {
  using Small = Net<Gates>;
  const Run found = train<Small, CpuBfloat16>(1), expected = train<Small, ReferenceBfloat16>(1);
  const Run with_threads = train<Small, CpuBfloat16>(3);
  CHECK(found.losses == with_threads.losses);
  CHECK(found.weights == with_threads.weights);
  for (std::size_t step = 0; step < steps; ++step)
    CHECK(std::abs(found.losses[step] - expected.losses[step]) < 0.02 * expected.losses[step]);
  const Run nearest = train<Small, CpuBfloat16>(1, Rounding::nearest);
  CHECK(found.losses[0] != nearest.losses[0]);
}
TEST_CASE("a training agrees with the reference that rounds by the same numbers, on any number of threads") {
  check_training<Gating::per_batch>();
  check_training<Gating::per_sample>();
}

TEST_CASE("a run that goes on draws the numbers that it would have drawn, and evaluation draws none") {
  const Data data = stored_data<Net<>>();
  const NHWC<float> images{data.images};
  using Training = Trainer<Net<>, CpuBfloat16>;
  const TrainingOptions options{.batch = batch, .threads = 2, .seed = 5, .rounding = Rounding::stochastic};
  Training whole(options), first(options), second(options), nearest({.batch = batch, .threads = 2});
  whole.step(images, data.labels);
  const double expected = whole.step(images, data.labels).loss;
  first.step(images, data.labels);
  const auto copy = [](Training& from, Training& to) {
    const auto take = [](auto& of, auto& into) {
      const auto numbers = of.span();
      std::copy(numbers.begin(), numbers.end(), into.span().begin());
    };
    take(from.weights()->parameters(), to.weights()->parameters());
    take(from.weights()->running(), to.weights()->running());
    take(from.optimizer_state("momentum"), to.optimizer_state("momentum"));
  };
  copy(first, second);
  second.set_steps(1);
  static_cast<void>(second.predict(images));
  CHECK(second.step(images, data.labels).loss == expected);
  copy(second, nearest);
  CHECK(second.predict(images) == nearest.predict(images));
  // another step, other numbers
  Training later(options);
  copy(first, later);
  later.set_steps(2);
  const std::vector<std::uint8_t> open(3, 1);
  copy(first, second);
  second.set_steps(1);
  CHECK(later.step(images, data.labels, open).loss != second.step(images, data.labels, open).loss);
}

/// Whether its first block runs makes no difference to what this network computes: it adds zeros, to numbers
/// that are finished already.
using Zeros =
    Network<Input<3, 8, 8>, Conv<20>, BN, ReLU, MaxPool<2>, Repeat<2, Drop<20>>, GlobalAvgPool, Linear<7>>;
TEST_CASE("a block's numbers are its own: they do not depend on which others run") {
  const Data data = stored_data<Zeros>();
  std::vector<double> losses;
  std::vector<std::vector<float>> gradients;
  for (const std::uint8_t gate : {std::uint8_t{0}, std::uint8_t{1}}) {
    Trainer<Zeros, CpuBfloat16> trainer(
        {.batch = batch, .threads = 1, .seed = 5, .rounding = Rounding::stochastic});
    for (const char* name : {"blocks.0.bn2.weight", "blocks.0.bn2.bias"}) trainer.parameter(name).setZero();
    losses.push_back(
        trainer.step(NHWC<float>{data.images}, data.labels, std::vector<std::uint8_t>{gate, 1}).loss);
    const auto of_second = trainer.gradient("blocks.1.bn1.weight");
    gradients.emplace_back(of_second.data(), of_second.data() + of_second.size());
  }
  CHECK(losses[0] == losses[1]);
  CHECK(gradients[0] == gradients[1]);
}

/// So shallow, and so nearly linear, that a number which is rounded the other way leaves the rest as it is.
using Shallow = Network<Input<3, 8, 8>, Conv<20>, Conv<20>, GlobalAvgPool, Linear<7>>;
template <class Backend>
[[nodiscard]] std::vector<double> gradient(std::uint64_t step, Rounding rounding) {
  const Data data = stored_data<Shallow>();
  Trainer<Shallow, Backend> trainer({.batch = batch, .threads = 1, .seed = 5, .rounding = rounding});
  trainer.set_steps(step);
  trainer.compute_gradients(NHWC<float>{data.images}, data.labels);
  const auto view = trainer.gradient("conv1.weight");
  std::vector<double> numbers;
  for (int row = 0; row < view.rows(); ++row)
    for (int column = 0; column < view.cols(); ++column)
      numbers.push_back(static_cast<double>(view(row, column)));
  return numbers;
}
[[nodiscard]] double distance(const std::vector<double>& a, const std::vector<double>& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(squares);
}
TEST_CASE("gradients are right on average: what rounding adds falls with the number of draws") {
  const std::vector<double> exact = gradient<Cpu<>>(0, Rounding::nearest);
  constexpr int draws = 100;
  std::vector<double> mean(exact.size());
  double of_one = 0;
  for (int draw = 0; draw < draws; ++draw) {
    const std::vector<double> found =
        gradient<CpuBfloat16>(static_cast<std::uint64_t>(draw), Rounding::stochastic);
    of_one += distance(found, exact) / draws;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += found[i] / draws;
  }
  // a tenth is expected; to nearest each draw would be the same
  CHECK(distance(mean, exact) < 0.2 * of_one);
  CHECK(distance(mean, exact) < 0.5 * distance(gradient<CpuBfloat16>(0, Rounding::nearest), exact));
}
TEST_CASE("the walk gives a tensor the same number on every backend, and another one in every step") {
  const std::vector<double> found = gradient<CpuBfloat16>(3, Rounding::stochastic);
  const double near = distance(found, gradient<ReferenceBfloat16>(3, Rounding::stochastic));
  CHECK(near < 0.2 * distance(found, gradient<ReferenceBfloat16>(4, Rounding::stochastic)));
  CHECK(near < 0.2 * distance(found, gradient<ReferenceBfloat16>(3, Rounding::nearest)));
}

TEST_CASE("backends that do not round so say it in one sentence") {
  const TrainingOptions options{.batch = 2, .threads = 1, .rounding = Rounding::stochastic};
  const auto message = [&]<class Backend>(std::type_identity<Backend>) -> std::string {
    try {
      Trainer<Zeros, Backend> trainer(options);
    } catch (const Error& error) {
      return error.what();
    }
    return {};
  };
  CHECK(message(std::type_identity<Cpu<>>()).find("of activations in bfloat16") != std::string::npos);
  CHECK(message(std::type_identity<CpuBfloat16>()).empty());
  CHECK(message(std::type_identity<ReferenceBfloat16>()).empty());
}

}  // namespace

}  // namespace sdepth::test::rounding_test
