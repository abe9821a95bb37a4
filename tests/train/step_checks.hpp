// What every backend must get right of a step in its halves, of other losses and optimizers, the user's own
// included: one body of tests.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <sdepth/core/philox.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/layers/blocks.hpp>
#include <sdepth/losses/mean_squared_error.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/optimizers/lion.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

/// What a user adds, outside of the library and its namespace.
namespace users_own {

/// torch.optim.RMSprop, without momentum.
struct RMSprop {
  static constexpr std::string_view name = "RMSprop";
  struct Options {
    double learning_rate = 0.01;
    double alpha = 0.9;
    double epsilon = 1e-4;
  };
  static constexpr std::array<std::string_view, 1> state{"square_avg"};
  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("learning_rate", o.learning_rate);
    visit("alpha", o.alpha);
    visit("epsilon", o.epsilon);
  }
  static std::array<double, 4> factors(const Options& o) {
    return {-o.learning_rate, o.alpha, 1 - o.alpha, o.epsilon};
  }
  template <class V>
  static constexpr void update(const std::array<V, 4>& factors, V& weight, V gradient,
                               std::array<V, 1>& kept) {
    const auto& [step, alpha, rest, epsilon] = factors;
    kept[0] = alpha * kept[0] + rest * gradient * gradient;
    weight = weight + step * (gradient / (sdepth::math::sqrt(kept[0]) + epsilon));
  }
};

/// torch.nn.HuberLoss.
struct Huber {
  static constexpr std::string_view name = "Huber";
  static constexpr bool needs_classifier = false;
  struct Options {
    double delta = 1;
    friend bool operator==(const Options&, const Options&) = default;
  };
  using Targets = std::span<const float>;
  template <class Options, class Visit>
  static void each_option(Options& o, Visit visit) {
    visit("delta", o.delta);
  }
  static void check(Targets targets, int images, int outputs) {
    sdepth::check_numbers(name, targets, images, outputs);
  }
  template <class T>
  static constexpr double of_image(const Options& o, int outputs, const T* x, const float* target,
                                   double factor, T* gradient, bool& wrong) {
    double sum = 0;
    for (int i = 0; i < outputs; ++i) {
      const double d = static_cast<double>(x[i]) - static_cast<double>(target[i]), size = d < 0 ? -d : d;
      sum += size <= o.delta ? 0.5 * d * d : o.delta * (size - 0.5 * o.delta);
      if (gradient)
        gradient[i] = static_cast<T>(factor / outputs * (size <= o.delta ? d : d < 0 ? -o.delta : o.delta));
      wrong = wrong || size > o.delta;
    }
    return sum / outputs;
  }
};

}  // namespace users_own

namespace step_checks {

using namespace sdepth;
using users_own::Huber, users_own::RMSprop;

template <class Block>
using Drop = StochasticDepth<Block, Uniform<0.6>>;
using WithNorms =
    Network<Input<3, 6, 6>, Conv<8>, BN, ReLU, Repeat<3, Drop<Residual<Conv<8>, BN, ReLU, Conv<8>, BN>>>,
            GlobalAvgPool, Linear<4>>;
/// It ends with features, not with a classifier: for regression.
using WithoutNorms = Network<Input<3, 6, 6>, Conv<4>, ReLU, Repeat<2, Drop<Residual<Conv<4>>>>,
                             Conv<6, 3, 1, Bias::learned>, ReLU, GlobalAvgPool>;

/// Six images of either network, and targets of each kind.
struct Data {
  std::vector<float> values = std::vector<float>(6 * 108);
  std::vector<int> labels = {0, 1, 2, 3, 0, 1};
  std::vector<float> one_hot = std::vector<float>(24), numbers = std::vector<float>(36);
  explicit Data(std::uint64_t seed) {
    const auto draw = [&](std::vector<float>& to, std::uint32_t what) {
      for (std::size_t i = 0; i < to.size(); ++i)
        to[i] = static_cast<float>(uniform(random_words(seed, Purpose::synthetic, i, what)[0]) - 0.5);
    };
    draw(values, 0);
    draw(numbers, 1);
    for (std::size_t n = 0; n < 6; ++n) one_hot[4 * n + static_cast<std::size_t>(labels[n])] = 1;
  }
  [[nodiscard]] NHWC<float> images(std::size_t first = 0, std::size_t count = 6) const {
    return {std::span(values).subspan(first * 108, count * 108)};
  }
  [[nodiscard]] std::span<const float> some_numbers(std::size_t first, std::size_t count) const {
    return std::span(numbers).subspan(first * 6, count * 6);
  }
};

template <class Trainer>
[[nodiscard]] typename Trainer::Options options(SkipUpdate skip_update = SkipUpdate::as_code) {
  typename Trainer::Options all;
  all.batch = 6;
  all.threads = 2;
  all.seed = 11;
  all.skip_update = skip_update;
  optimizer_options(all).learning_rate = 0.01;
  return all;
}

template <class Trainer>
[[nodiscard]] std::vector<double> state(Trainer& trainer) {
  std::vector<double> all;
  const auto add = [&](const auto& buffer) {
    all.insert(all.end(), buffer.data(), buffer.data() + buffer.size());
  };
  add(std::as_const(*trainer.weights()).parameters());
  add(std::as_const(*trainer.weights()).running());
  for (const std::string_view name : Trainer::Optimizer::state)
    add(std::as_const(trainer.optimizer_state(name)));
  for (const std::uint64_t count : trainer.update().groups().tensor_counts())
    all.push_back(static_cast<double>(count));
  all.push_back(static_cast<double>(trainer.steps()));
  for (const std::uint8_t gate : trainer.gates()) all.push_back(gate);
  return all;
}
template <class Trainer>
[[nodiscard]] std::vector<float> parameters(const Trainer& trainer) {
  std::vector<float> all;
  const auto& weights = std::as_const(*trainer.weights());
  for (const ParameterInfo& tensor : weights.tensors())
    if (tensor.trainable())
      for (const float v : to_pytorch(tensor, weights.parameters().data())) all.push_back(v);
  return all;
}
template <class A, class B>
[[nodiscard]] double distance(const A& a, const B& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}

/// A step is its halves: the same bits, whatever the optimizer, the gates and the policy. And what fails
/// between never was.
template <class Backend, class Optimizer>
void check_halves(SkipUpdate skip_update) {
  using One = Trainer<WithNorms, Backend, CrossEntropy, Optimizer>;
  One whole(options<One>(skip_update)), halves(options<One>(skip_update));
  CHECK_THROWS_WITH_AS(halves.apply(), doctest::Contains("apply: there are no gradients"), Error);
  int closed = 0;
  for (std::uint64_t step = 0; step < 5; ++step) {
    CAPTURE(step);
    const Data data(step);
    const std::vector<std::uint8_t> gates{0, 1, 1};
    const Score expected =
        step == 3 ? whole.step(data.images(), data.labels, gates) : whole.step(data.images(), data.labels);
    const Score found = step == 3 ? halves.compute_gradients(data.images(), data.labels, gates)
                                  : halves.compute_gradients(data.images(), data.labels);
    CHECK(halves.steps() == step);
    CHECK_THROWS_WITH_AS(halves.step(data.images(), data.labels),
                         doctest::Contains("gradients that wait for apply"), Error);
    CHECK(found.loss == expected.loss);
    CHECK(found.errors == expected.errors);
    CHECK(found.branches_run == expected.branches_run);
    closed += 3 - found.blocks_run;
    if (step == 2 || step == 3) {  // a mini-batch that cannot be added changes nothing of what waits
      Data poisoned(9);
      poisoned.values[200] = std::numeric_limits<float>::quiet_NaN();
      const auto before = state(halves);
      CHECK_THROWS_WITH_AS(halves.compute_gradients(poisoned.images(), poisoned.labels),
                           doctest::Contains("the loss is"), Error);
      CHECK_THROWS_AS(halves.compute_gradients(poisoned.images(0, 2), poisoned.labels), Error);
      CHECK(state(halves) == before);
    }
    halves.apply();
    CHECK(state(halves) == state(whole));
    if (step == 1) {  // what is forgotten is not added to the next
      const std::vector<float> running(
          std::as_const(*halves.weights()).running().data(),
          std::as_const(*halves.weights()).running().data() + halves.weights()->running().size());
      const std::vector<std::uint8_t> last(halves.gates().begin(), halves.gates().end());
      const Data forgotten(50);
      halves.compute_gradients(forgotten.images(), forgotten.labels, last);
      halves.zero_gradients();
      CHECK_THROWS_WITH_AS(halves.apply(), doctest::Contains("apply: there are no gradients"), Error);
      std::copy(running.begin(), running.end(), halves.weights()->running().data());
      CHECK(state(halves) == state(whole));
    }
  }
  CHECK(closed > 2);
  const Data data(7);
  CHECK(halves.evaluate(data.images(), data.labels).loss == whole.evaluate(data.images(), data.labels).loss);
}

/// Mini-batches of 2 and 4 images are one of 6: what differs is rounding.
template <class Backend>
void check_mini_batches() {
  using One = Trainer<WithoutNorms, Backend, MeanSquaredError, SGD>;
  One whole(options<One>()), parts(options<One>());
  for (std::uint64_t step = 0; step < 4; ++step) {
    const Data data(step);
    const double loss = whole.compute_gradients(data.images(), data.numbers).loss;
    const double first = parts.compute_gradients(data.images(0, 2), data.some_numbers(0, 2)).loss;
    const double second = parts.compute_gradients(data.images(2, 4), data.some_numbers(2, 4)).loss;
    CHECK(std::ranges::equal(parts.gates(), whole.gates()));  // those of (seed, step), for both
    CHECK((2 * first + 4 * second) / 6 == doctest::Approx(loss).epsilon(1e-6));
    const double norm = whole.clip_gradient_norm(0.01);
    CHECK(norm > 0.02);
    CHECK(parts.clip_gradient_norm(0.01) == doctest::Approx(norm).epsilon(1e-5));
    whole.apply();
    parts.apply();
    CHECK(parts.steps() == step + 1);
    CHECK(distance(parameters(parts), parameters(whole)) < 1e-6);
  }
}

/// Every parameter's gradient is said to be final once, the last first, when it is.
template <class Backend>
void check_ready() {
  using One = Trainer<WithNorms, Backend>;
  One trainer(options<One>()), other(options<One>());
  const Data data(1);
  const std::vector<std::uint8_t> gates{1, 0, 1};
  std::vector<GradientRange> ranges;
  std::vector<double> seen(trainer.gradients().size());
  trainer.compute_gradients(data.images(), data.labels, gates, [&](const GradientRange& range) {
    ranges.push_back(range);
    for (std::size_t i = range.first; i < range.last; ++i)
      seen[i] = static_cast<double>(std::as_const(trainer).gradients().data()[i]);
  });
  CHECK(ranges.size() == 5);  // the Linear, three blocks, the convolution with its norm
  CHECK(ranges.front().last == trainer.gradients().size());
  CHECK(ranges.back().first == 0);
  for (std::size_t i = 1; i < ranges.size(); ++i) CHECK(ranges[i].last == ranges[i - 1].first);
  const auto& final_ones = std::as_const(trainer).gradients();
  CHECK(std::equal(seen.begin(), seen.end(), final_ones.data(),
                   [](double a, auto b) { return a == static_cast<double>(b); }));

  // What a listener throws is an end like any other.
  if constexpr (Backend::synchronous) {
    const auto before = state(other);
    CHECK_THROWS_AS(
        other.compute_gradients(data.images(), data.labels, [](const GradientRange&) { throw Error("no"); }),
        Error);
    CHECK(state(other) == before);

    // Nor may it use the trainer that is in the middle of its step.
    const auto refused = [&](const auto& call) {
      CHECK_THROWS_WITH_AS(
          other.compute_gradients(data.images(), data.labels, [&](const GradientRange&) { call(); }),
          doctest::Contains("this trainer is in the middle of another call"), Error);
      CHECK(state(other) == before);
    };
    refused([&] { (void)other.evaluate(data.images(), data.labels); });
    refused([&] { (void)other.predict(data.images()); });
    refused([&] { other.step(data.images(), data.labels, gates); });
    refused([&] { other.clip_gradient_norm(1); });
    refused([&] { other.apply(); });
    CHECK(other.step(data.images(), data.labels).loss > 0);
  }
}

/// The user's own loss and optimizer, and the library's others, against the same in double.
template <class Backend, class Loss, class Optimizer>
void check_against_double(double tolerance) {
  using One = Trainer<WithoutNorms, Backend, Loss, Optimizer>;
  using Exact = Trainer<WithoutNorms, ReferenceDouble, Loss, Optimizer>;
  One trainer(options<One>(SkipUpdate::frozen));
  Exact exact(options<Exact>(SkipUpdate::frozen));
  for (std::uint64_t step = 0; step < 6; ++step) {
    const Data data(step);
    const Score found = trainer.step(data.images(), data.numbers),
                expected = exact.step(data.images(), data.numbers);
    CHECK(found.loss == doctest::Approx(expected.loss).epsilon(1e-4));
    CHECK(found.errors == expected.errors);
    CHECK(distance(parameters(trainer), parameters(exact)) < tolerance);
  }
  const Data data(9);
  CHECK(trainer.evaluate(data.images(), data.numbers).loss ==
        doctest::Approx(exact.evaluate(data.images(), data.numbers).loss).epsilon(1e-4));
  CHECK_THROWS_WITH_AS(trainer.step(data.images(), std::span(data.numbers).first(35)),
                       doctest::Contains("expects 6 numbers for each of 6 images, 36 together, found 35"),
                       Error);
}
/// RMSprop's first step by hand, from the gradients.
template <class Backend>
void check_own_by_hand() {
  using One = Trainer<WithoutNorms, Backend, Huber, RMSprop>;
  auto all = options<One>();
  all.loss.delta = 0.25;
  One trainer(all);
  const Data data(3);
  const std::vector<float> before = parameters(trainer);
  const double loss =
      trainer.compute_gradients(data.images(), data.numbers, std::vector<std::uint8_t>{1, 1}).loss;
  std::vector<float> gradients;
  for (const ParameterInfo& tensor : trainer.weights()->tensors())
    for (const float v : to_pytorch(tensor, std::as_const(trainer).gradients().data()))
      gradients.push_back(v);
  trainer.apply();
  std::vector<double> expected(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    const double g = static_cast<double>(gradients[i]);
    expected[i] = static_cast<double>(before[i]) - 0.01 * g / (std::sqrt(0.1 * g * g) + 1e-4);
  }
  CHECK(distance(parameters(trainer), expected) < 1e-6);
  CHECK(trainer.options().loss.delta == 0.25);
  CHECK(loss > 0);
}

/// Probabilities of one class are a label.
template <class Backend>
void check_soft_targets() {
  using One = Trainer<WithNorms, Backend>;
  One hard(options<One>()), soft(options<One>());
  for (std::uint64_t step = 0; step < 2; ++step) {
    const Data data(step);
    const Score a = hard.step(data.images(), data.labels),
                b = soft.step(data.images(), Probabilities{data.one_hot});
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(1e-6));
    CHECK(a.errors == b.errors);
    CHECK(distance(parameters(hard), parameters(soft)) < 1e-6);
  }
}

template <class Backend>
void check_all() {
  check_halves<Backend, SGD>(SkipUpdate::as_code);
  check_halves<Backend, AdamW>(SkipUpdate::frozen);
  check_mini_batches<Backend>();
  check_ready<Backend>();
  check_own_by_hand<Backend>();
  check_against_double<Backend, Huber, RMSprop>(1e-4);
  check_against_double<Backend, MeanSquaredError, AdamW>(1e-4);
  check_soft_targets<Backend>();
}

}  // namespace step_checks
