// What every backend must get right of optimizers, and of what is done with gradients before them: one body
// of tests, which each includes.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/io/safetensors.hpp>
#include <sdepth/layers/blocks.hpp>
#include <sdepth/network/layout.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/optimizers/adamw.hpp>
#include <sdepth/optimizers/lion.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/parameter_update.hpp>
#include <sdepth/train/weight_average.hpp>

#include "../files.hpp"

namespace optimizer_checks {

using namespace sdepth;

/// The network of the oracle's 35 numbers.
using Net = Network<Input<1, 4, 4>, Conv<2>, ReLU,
                    Repeat<2, StochasticDepth<Residual<Conv<2, 1>>, Uniform<0.5>>>, GlobalAvgPool, Linear<3>>;

/// tests/oracle/optimizers.safetensors, see make_oracles.py.
struct Oracle {
  SafeTensors file = read_safetensors(sdepth::test::tests_folder() + "/oracle/optimizers.safetensors");
  [[nodiscard]] std::span<const float> values(const std::string& name) const {
    const Tensor* const tensor = file.find(name);
    if (!tensor) fail("the oracle has no tensor ", name);
    return tensor->values;
  }
  /// Row `step` of a table.
  [[nodiscard]] std::span<const float> row(const std::string& name, std::size_t step) const {
    const auto all = values(name);
    const auto size = static_cast<std::size_t>(file.find(name)->shape[1]);
    return all.subspan(step * size, size);
  }
  [[nodiscard]] std::vector<std::uint8_t> gates(std::size_t step) const {
    const auto v = row("gates", step);
    return std::vector<std::uint8_t>(v.begin(), v.end());
  }
};

/// Numbers in the order of PyTorch's tensors, to and from a buffer.
template <class Tensors, class Buffer>
void put(const Tensors& tensors, std::span<const float> numbers, Buffer& buffer) {
  for (const ParameterInfo& tensor : tensors) {
    if (!tensor.trainable()) continue;
    from_pytorch(tensor, numbers.first(pytorch_size(tensor)), buffer.data());
    numbers = numbers.subspan(pytorch_size(tensor));
  }
}
template <class Tensors, class Buffer>
[[nodiscard]] std::vector<float> get(const Tensors& tensors, const Buffer& buffer) {
  std::vector<float> all;
  for (const ParameterInfo& tensor : tensors)
    if (tensor.trainable())
      for (const float v : to_pytorch(tensor, buffer.data())) all.push_back(v);
  return all;
}
template <class A, class B>
[[nodiscard]] double distance(const A& a, const B& b) {
  REQUIRE(a.size() == b.size());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < b.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return std::sqrt(difference / norm);
}
/// The oracle's numbers are rounded to float32 themselves.
template <class Backend>
constexpr double tolerance = std::is_same_v<typename Backend::Scalar, double> ? 1e-7 : 1e-6;

/// An update whose gradients come from the test.
template <class Backend, class Optimizer>
struct Run {
  Weights<Net, Backend> weights;
  detail::ParameterUpdate<Net, Backend, Optimizer> update{weights};
  typename Backend::Context context{1};

  explicit Run(const Oracle& oracle) { put(weights.tensors(), oracle.values("init"), weights.parameters()); }
  void add(std::span<const float> gradients, std::span<const std::uint8_t> gates, int images = 4) {
    update.template take_gates<true>(context, gates);
    put(weights.tensors(), gradients, update.gradients_of_walk());
    update.template add<true>(context, images);
  }
  void apply(const typename Optimizer::Options& options, bool frozen) {
    update.apply(context, options, frozen, for_kernels(weights.parameters()));
  }
  [[nodiscard]] std::vector<float> parameters() const {
    return get(weights.tensors(), std::as_const(weights).parameters());
  }
  [[nodiscard]] std::vector<float> gradients() const { return get(weights.tensors(), update.current()); }
};

/// Each update of the oracle, with blocks closed.
template <class Backend, class Optimizer>
void check_updates(const typename Optimizer::Options& options) {
  const Oracle oracle;
  for (const bool frozen : {false, true}) {
    const std::string name = std::string(Optimizer::name) + (frozen ? ".frozen" : ".as_code");
    CAPTURE(name);
    Run<Backend, Optimizer> run(oracle);
    for (std::size_t step = 0; step < 10; ++step) {
      CAPTURE(step);
      run.add(oracle.row("gradients", step), oracle.gates(step));
      run.apply(options, frozen);
      CHECK(distance(run.parameters(), oracle.row(name, step)) < tolerance<Backend>);
    }
    for (const std::string_view state : Optimizer::state)
      CHECK(distance(get(run.weights.tensors(), run.update.state(state)),
                     oracle.values(name + "." + std::string(state))) < tolerance<Backend>);
    // Updates are counted where they matter: block 0 was open five times, block 1 six times.
    if (counts_updates<Optimizer>)
      CHECK(run.update.groups().tensor_counts() ==
            (frozen ? std::vector<std::uint64_t>{10, 5, 6, 10, 10} : std::vector<std::uint64_t>(5, 10)));
  }
}
template <class Backend>
void check_all_updates() {
  check_updates<Backend, SGD>(
      {.learning_rate = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  check_updates<Backend, AdamW>(
      {.learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-6, .weight_decay = 0.1});
  check_updates<Backend, Lion>({.learning_rate = 0.01, .beta1 = 0.6, .beta2 = 0.8, .weight_decay = 0.1});
}

template <class Backend>
void check_clipping() {
  const Oracle oracle;
  const std::vector<std::uint8_t> open{1, 1};
  Run<Backend, SGD> run(oracle);
  CHECK_THROWS_WITH_AS(run.update.clip(run.context, 1),
                       doctest::Contains("there are no gradients; call compute_gradients first"), Error);
  run.add(oracle.row("gradients", 1), open);
  CHECK(run.update.clip(run.context, 1.5) == doctest::Approx(oracle.values("clip.norm")[0]).epsilon(1e-6));
  CHECK(distance(run.gradients(), oracle.values("clip.gradients")) < tolerance<Backend>);
  const std::vector<float> clipped = run.gradients();
  CHECK(run.update.clip(run.context, 1.6) == doctest::Approx(1.5).epsilon(1e-5));
  CHECK(run.gradients() == clipped);  // small enough: not a bit changes
  for (const double none : {-1.0, std::nan("")})
    CHECK_THROWS_WITH_AS(run.update.clip(run.context, none), doctest::Contains("expected a number from 0 up"),
                         Error);

  // A closed block's numbers are an older step's and count nothing, nor do those of a frozen group.
  std::vector<float> some(oracle.row("gradients", 1).begin(), oracle.row("gradients", 1).end());
  double squares = 0;
  for (std::size_t i = 0; i < some.size(); ++i)
    // without block 1 and fc.weight
    if (i < 22 || i >= 32) squares += std::pow(static_cast<double>(some[i]), 2);
  Run<Backend, SGD> other(oracle);
  other.update.set_groups(
      other.weights,
      {{.contains = [](const ParameterInfo& p) { return p.name == "fc.weight"; }, .frozen = true}}, {});
  other.add(some, std::vector<std::uint8_t>{1, 0});
  CHECK(other.update.clip(other.context, 1e9) == doctest::Approx(std::sqrt(squares)).epsilon(1e-6));
  some[0] = std::numeric_limits<float>::infinity();
  other.apply({}, false);
  other.add(some, open);
  CHECK_THROWS_WITH_AS(other.update.clip(other.context, 1),
                       doctest::Contains("the norm of the gradients is inf"), Error);
}

/// The mean over all images of what several mini-batches give, a closed block's counting as zero, wherever it
/// was closed.
template <class Backend>
void check_accumulation() {
  const Oracle oracle;
  const std::vector<std::vector<std::uint8_t>> gates{{1, 0}, {1, 0}, {0, 1}};
  const int images[] = {4, 2, 6};
  for (std::size_t batches = 1; batches <= 3; ++batches) {
    CAPTURE(batches);
    std::vector<double> mean(35);
    double all = 0;
    Run<Backend, SGD> run(oracle);
    run.add(oracle.row("gradients", 9), std::vector<std::uint8_t>{1, 1});
    run.apply({.learning_rate = 0}, true);  // whatever was there before does not matter
    put(run.weights.tensors(), oracle.values("init"), run.weights.parameters());
    for (std::size_t i = 0; i < run.update.state()[0].size(); ++i) run.update.state()[0].data()[i] = 0;
    for (std::size_t i = 0; i < batches; ++i) {
      run.add(oracle.row("gradients", i), gates[i], images[i]);
      for (std::size_t j = 0; j < 35; ++j) {
        const bool closed = (j >= 18 && j < 22 && !gates[i][0]) || (j >= 22 && j < 26 && !gates[i][1]);
        mean[j] += closed ? 0 : images[i] * static_cast<double>(oracle.row("gradients", i)[j]);
      }
      all += images[i];
    }
    // Plain gradient descent at rate 1 with frozen blocks: what moves is the gradient. Block 1 opens only
    // with the third.
    run.apply({.learning_rate = 1, .momentum = 0, .weight_decay = 0.5, .nesterov = false}, true);
    std::vector<double> expected(35);
    for (std::size_t j = 0; j < 35; ++j) {
      const double w = static_cast<double>(oracle.values("init")[j]);
      const bool never = j >= 22 && j < 26 && batches < 3;
      expected[j] = never ? w : w - (mean[j] / all + 0.5 * w);
    }
    CHECK(distance(run.parameters(), expected) < 2e-7);
  }
}

/// A mini-batch that fails leaves what waits as it was: gates of its own have been taken, and its gradients
/// half written.
template <class Backend>
void check_failed_addition() {
  const Oracle oracle;
  Run<Backend, SGD> run(oracle), untouched(oracle);
  for (auto* each : {&run, &untouched}) each->add(oracle.row("gradients", 0), oracle.gates(0));
  run.update.template take_gates<true>(run.context, std::vector<std::uint8_t>{0, 1});
  put(run.weights.tensors(), oracle.row("gradients", 7), run.update.gradients_of_walk());
  for (auto* each : {&run, &untouched}) each->apply({}, true);
  CHECK(run.parameters() == untouched.parameters());
}

template <class Backend>
void check_groups() {
  const Oracle oracle;
  const AdamW::Options options{.learning_rate = 0.02, .weight_decay = 0.3};
  AdamW::Options spared = options;
  AdamW::Options slow = options;
  spared.weight_decay = 0;
  slow.learning_rate *= 0.1;
  Run<Backend, AdamW> run(oracle), plain(oracle), without_decay(oracle), slower(oracle);
  const auto named = [](const char* name) { return [=](const ParameterInfo& p) { return p.name == name; }; };
  run.update.set_groups(run.weights,
                        {{.contains = named("fc.weight"), .frozen = true},
                         {.contains = is_norm_or_bias, .change = [](auto& o) { o.weight_decay = 0; }},
                         {.contains = [](const ParameterInfo& p) { return p.block == 1; },
                          .change = [](auto& o) { o.learning_rate *= 0.1; }},
                         {.contains = [](const ParameterInfo&) { return true; }}},  // what is left: as it is
                        options);
  for (std::size_t step = 0; step < 4; ++step) {
    const auto each = [&](auto& r, const AdamW::Options& o) {
      r.add(oracle.row("gradients", step), oracle.gates(step)), r.apply(o, true);
    };
    each(run, options), each(plain, options), each(without_decay, spared), each(slower, slow);
  }
  const auto found = run.parameters();
  const auto same = [&](const std::vector<float>& other, std::size_t first, std::size_t last) {
    return std::equal(found.begin() + static_cast<std::ptrdiff_t>(first),
                      found.begin() + static_cast<std::ptrdiff_t>(last),
                      other.begin() + static_cast<std::ptrdiff_t>(first));
  };
  CHECK(same(plain.parameters(), 0, 22));
  CHECK(same(slower.parameters(), 22, 26));
  CHECK_FALSE(same(plain.parameters(), 22, 26));
  const std::vector<float> init(oracle.values("init").begin(), oracle.values("init").end());
  CHECK(same(init, 26, 32));
  CHECK(same(without_decay.parameters(), 32, 35));
  CHECK_FALSE(same(plain.parameters(), 32, 35));
  // a frozen group's are not counted
  CHECK(run.update.groups().tensor_counts() == std::vector<std::uint64_t>{4, 2, 2, 0, 4});

  // Counts go with their parameters when groups change, and what cannot be is refused before anything
  // changes.
  run.update.set_groups(run.weights, {}, options);
  CHECK(run.update.groups().tensor_counts() == std::vector<std::uint64_t>{4, 2, 2, 0, 4});
  CHECK_THROWS_WITH_AS(
      run.update.set_groups(run.weights,
                            {{.contains = is_norm_or_bias, .change = [](auto& o) { o.beta2 = 1; }}}, options),
      doctest::Contains("options: beta2 is 1, expected a number from 0 up to, but not including, 1"), Error);
  CHECK_THROWS_WITH_AS(run.update.set_groups(run.weights, {{.contains = {}}}, options),
                       doctest::Contains("does not say which parameters"), Error);
  run.add(oracle.row("gradients", 5), oracle.gates(4));
  CHECK_THROWS_WITH_AS(run.update.set_groups(run.weights, {}, options),
                       doctest::Contains("call it between two steps"), Error);
  run.apply(options, true);
  CHECK(run.update.groups().tensor_counts() == std::vector<std::uint64_t>{5, 3, 3, 1, 5});
}

template <class Backend>
void check_average() {
  const Oracle oracle;
  /// What WeightAverage asks of a Trainer.
  struct Stand {
    std::shared_ptr<Weights<Net, Backend>> numbers = std::make_shared<Weights<Net, Backend>>();
    struct Context {
      typename Backend::Context one{1};
      [[nodiscard]] typename Backend::Context& context() { return one; }
    } spaces;
    [[nodiscard]] const auto& weights() const { return numbers; }
    [[nodiscard]] Context& walk() { return spaces; }
  } trainer;
  WeightAverage<Net, Backend> average(0.9);
  for (std::size_t step = 0; step < 10; ++step) {
    put(trainer.weights()->tensors(), oracle.row("SGD.as_code", step), trainer.weights()->parameters());
    average.update(trainer);
    if (step == 0)
      CHECK(get(trainer.weights()->tensors(), std::as_const(*average.weights()).parameters()) ==
            get(trainer.weights()->tensors(), std::as_const(*trainer.weights()).parameters()));
  }
  const auto of = [](const Weights<Net, Backend>& weights) {
    return get(weights.tensors(), weights.parameters());
  };
  const std::vector<float> averaged = of(*average.weights()), own = of(*trainer.weights());
  CHECK(distance(averaged, oracle.values("average")) < tolerance<Backend>);
  average.swap(trainer);
  CHECK(of(*trainer.weights()) == averaged);
  average.swap(trainer);
  CHECK(of(*trainer.weights()) == own);
  CHECK(of(*average.weights()) == averaged);
  CHECK_THROWS_WITH_AS((WeightAverage<Net, Backend>(1)), doctest::Contains("decay is 1"), Error);
}

template <class Backend>
void check_all() {
  check_all_updates<Backend>();
  check_clipping<Backend>();
  check_accumulation<Backend>();
  check_failed_addition<Backend>();
  check_groups<Backend>();
  check_average<Backend>();
}

}  // namespace optimizer_checks
