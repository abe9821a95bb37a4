// A whole training on the device against the CPU's: the same network type, the same gates, numbers that
// differ by rounding; and what the host must not notice.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <sdepth/cuda.hpp>
#include <sdepth/kernels/backend.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#if !defined(__CUDACC__)
#include <sdepth/kernels/cpu/cpu.hpp>
#endif
#include <sdepth/layers/blocks.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>

namespace sdepth::test::trainer_test {
namespace {

static_assert(CheckedBackend<Cuda<>>::said && !InferenceBackend<Cuda<>>);

template <int C, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, LinearDecay<0.5>>;
using Net = Network<Input<3, 8, 8>, Conv<8>, BN, ReLU, Repeat<2, Drop<8>>, Drop<16, 2>, Drop<16>,
                    GlobalAvgPool, Linear<5>>;
using Device = Cuda<>;
#if defined(__CUDACC__)  // on a real device; nvcc does not read the CPU's kernels
using Host = Reference;
#else
using Host = Cpu<>;
#endif

/// `count` images and labels that depend on the seed.
struct Pictures {
  explicit Pictures(int count, std::uint32_t seed = 1) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count) * Net::input.size(); ++i)
      values.push_back(static_cast<float>(uniform(random_words(seed, Purpose::synthetic, i, 0)[0]) - 0.5));
    for (int n = 0; n < count; ++n)
      labels.push_back(static_cast<int>((static_cast<std::uint32_t>(n) * 7 + seed) % 5));
  }
  [[nodiscard]] NHWC<float> images() const { return {values}; }
  std::vector<float> values;
  std::vector<int> labels;
};

[[nodiscard]] TrainingOptions options(int batch = 4) {
  TrainingOptions all;
  all.batch = batch;
  all.threads = 1;
  all.seed = 5;
  return all;
}

/// ‖a − b‖ / ‖b‖ over the tensors of the network, in PyTorch's order: padding differs between backends.
template <class A, class B>
[[nodiscard]] double distance(const Trainer<Net, A>& a, const Trainer<Net, B>& b, const auto& numbers_of) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.weights()->tensors().size(); ++i) {
    const std::vector<float> x = numbers_of(a, a.weights()->tensors()[i]),
                             y = numbers_of(b, b.weights()->tensors()[i]);
    for (std::size_t j = 0; j < x.size(); ++j) {
      difference += std::pow(static_cast<double>(x[j]) - static_cast<double>(y[j]), 2);
      norm += std::pow(static_cast<double>(y[j]), 2);
    }
  }
  return std::sqrt(difference / norm);
}
const auto weights_of = [](const auto& trainer, const ParameterInfo& tensor) {
  const auto& weights = std::as_const(*trainer.weights());
  return to_pytorch(tensor, tensor.trainable() ? weights.parameters().data() : weights.running().data());
};

/// All of a trainer's state as bytes.
template <class Backend>
[[nodiscard]] std::vector<float> state(Trainer<Net, Backend>& trainer) {
  std::vector<float> all;
  const auto add = [&](const auto& buffer) {
    all.insert(all.end(), buffer.data(), buffer.data() + buffer.size());
  };
  add(std::as_const(*trainer.weights()).parameters());
  add(std::as_const(*trainer.weights()).running());
  add(std::as_const(trainer.optimizer_state("momentum")));
  return all;
}

TEST_CASE("steps with drawn gates: the CPU's gates, losses, parameters and running statistics") {
  Trainer<Net, Device> device(options());
  Trainer<Net, Host> host(options());
  CHECK(distance(device, host, weights_of) == 0);
  int closed = 0;
  for (std::uint32_t step = 0; step < 6; ++step) {
    CAPTURE(step);
    const Pictures pictures(step == 5 ? 3 : 4, step);  // the last batch of an epoch is smaller
    const Score a = device.step(pictures.images(), pictures.labels),
                b = host.step(pictures.images(), pictures.labels);
    CHECK(std::ranges::equal(device.gates(), host.gates()));
    closed += static_cast<int>(std::ranges::count(device.gates(), 0));
    CHECK(a.loss == doctest::Approx(b.loss).epsilon(2e-5));
    CHECK(a.errors == b.errors);
    CHECK(a.blocks_run == b.blocks_run);
    CHECK(distance(device, host, weights_of) < 1e-5);
  }
  CHECK(closed > 3);
  const Pictures test(6, 99);
  CHECK(device.evaluate(test.images(), test.labels).loss ==
        doctest::Approx(host.evaluate(test.images(), test.labels).loss).epsilon(1e-4));
  const std::vector<float> here = device.predict(test.images()), there = host.predict(test.images());
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(here[i] == doctest::Approx(there[i]).epsilon(1e-3));
}

TEST_CASE("steps with given gates, and parameters of skipped blocks that stay as they are") {
  TrainingOptions frozen = options();
  frozen.skip_update = SkipUpdate::frozen;
  frozen.scaling = Scaling::train;
  Trainer<Net, Device> device(frozen);
  Trainer<Net, Host> host(frozen);
  const Pictures pictures(4);
  for (const std::vector<std::uint8_t>& gates :
       {std::vector<std::uint8_t>{1, 1, 1, 1}, {0, 1, 0, 1}, {0, 0, 0, 0}, {1, 0, 1, 0}}) {
    const double a = device.step(pictures.images(), pictures.labels, gates).loss,
                 b = host.step(pictures.images(), pictures.labels, gates).loss;
    CHECK(a == doctest::Approx(b).epsilon(2e-5));
    CHECK(distance(device, host, weights_of) < 1e-5);
  }
}

TEST_CASE("bytes of either order of channels reach the device as the CPU reads them") {
  Trainer<Net, Device> device(options());
  Trainer<Net, Host> host(options());
  std::vector<std::uint8_t> bytes(4 * Net::input.size());
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::uint8_t>(i * 37 + i / 50);
  const std::vector<int> labels{0, 1, 2, 3};
  CHECK(device.step(NHWC<std::uint8_t>{bytes}, labels).loss ==
        doctest::Approx(host.step(NHWC<std::uint8_t>{bytes}, labels).loss).epsilon(2e-5));
  CHECK(device.step(NCHW<std::uint8_t>{bytes}, labels).loss ==
        doctest::Approx(host.step(NCHW<std::uint8_t>{bytes}, labels).loss).epsilon(2e-5));
}

TEST_CASE("graphs of blocks give the bits of single launches, are made once, and change where they must") {
  Trainer<Net, Device> graphs(options()), launches(options());
  launches.walk().context().use_graphs(false);
  for (std::uint32_t step = 0; step < 8; ++step) {
    const Pictures pictures(step % 3 == 2 ? 2 : 4, step);
    CHECK(graphs.step(pictures.images(), pictures.labels).loss ==
          launches.step(pictures.images(), pictures.labels).loss);
    CHECK(graphs.evaluate(pictures.images(), pictures.labels).loss ==
          launches.evaluate(pictures.images(), pictures.labels).loss);
  }
  CHECK(state(graphs) == state(launches));
  CHECK(launches.walk().context().replays().empty());
}

TEST_CASE(
    "with the same gates a block's graph is replayed as it is; with others only the nodes that read other blocks change") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(4);
  const std::vector<std::uint8_t> open{1, 1, 1, 1}, second_closed{1, 0, 1, 1};
  const auto changes = [&] {
    std::size_t all = 0, nodes = 0;
    for (const cuda::Replay& replay : trainer.walk().context().replays())
      all += replay.changes(), nodes += replay.size();
    return std::pair(all, nodes);
  };
  const auto step = [&](const std::vector<std::uint8_t>& gates) {
    trainer.step(pictures.images(), pictures.labels, gates);
  };
  step(open);
  step(open);
  const auto [before, nodes] = changes();
  CHECK(nodes > 20);
  step(open);
  CHECK(changes().first == before);
  step(second_closed);
  const std::size_t changed = changes().first - before;
  CHECK(changed > 0);
  CHECK(changed < nodes / 4);
}

#if !defined(__CUDACC__)  // what the emulation sees and a real device does not tell
TEST_CASE("a step waits for nothing and allocates nothing; a closed block launches nothing") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(4);
  const auto step = [&](const std::vector<std::uint8_t>& gates) {
    const emulation::Counts before = emulation::counts();
    const auto started = trainer.start(pictures.images(), pictures.labels, gates);
    emulation::Counts used = emulation::counts();
    used.launches -= before.launches, used.graphs -= before.graphs, used.waits -= before.waits,
        used.allocations -= before.allocations;
    static_cast<void>(trainer.finish(started));
    return used;
  };
  const std::vector<std::uint8_t> open{1, 1, 1, 1};
  for (int warm_up = 0; warm_up < 3; ++warm_up) step(open);  // the pinned buffers of two steps
  const emulation::Counts all = step(open);
  CHECK(all.waits <= 3);  // for pinned buffers of the step before last, which the device has long read
  CHECK(all.allocations == 0);
  CHECK(all.graphs == 8);
  const emulation::Counts fewer = step({0, 1, 1, 0});
  CHECK(fewer.graphs == 4);
  CHECK(fewer.launches == all.launches);
  CHECK(fewer.allocations == 0);
  CHECK(step({1, 1, 0, 1}).graphs == 8);  // a block that changes the shape still runs its shortcut
}

TEST_CASE(
    "dependent launches give the bits of others, read nothing ahead that changes, and are made where kernels wait themselves") {
  Trainer<Net, Device> dependent(options()), plain(options());
  dependent.walk().context().use_dependent_launches(true);
  const auto steps_alike = [&](std::uint32_t seed) {
    const Pictures pictures(4, seed);
    CHECK(dependent.step(pictures.images(), pictures.labels).loss ==
          plain.step(pictures.images(), pictures.labels).loss);
  };
  const std::size_t before = emulation::counts().dependent_launches;
  for (std::uint32_t step = 0; step < 4; ++step) steps_alike(step);
  CHECK(emulation::counts().dependent_launches - before >= 8);
  const std::size_t made = emulation::counts().dependent_launches;
  dependent.walk().context().use_dependent_launches(false);
  steps_alike(4);
  CHECK(emulation::counts().dependent_launches == made);
  emulation::settings().architecture = 80;  // whose kernels do not wait
  dependent.walk().context().use_dependent_launches(true);
  steps_alike(5);
  CHECK(emulation::counts().dependent_launches == made);
  emulation::settings().architecture = 90;
  emulation::settings().refused_call = "cudaGraphAddDependencies";
  Trainer<Net, Device> refused(options()), other(options());
  refused.walk().context().use_dependent_launches(true);
  const Pictures pictures(4);
  CHECK(refused.step(pictures.images(), pictures.labels).loss ==
        other.step(pictures.images(), pictures.labels).loss);
  emulation::settings().refused_call.clear();
  CHECK(!refused.walk().context().replays().empty());
  CHECK(state(dependent) == state(plain));
}

TEST_CASE("without room for graphs every kernel is launched by itself") {
  Trainer<Net, Device> graphs(options()), launches(options());
  const Pictures pictures(4);
  const double loss = graphs.step(pictures.images(), pictures.labels).loss;
  emulation::settings().graphs = false;
  const std::size_t before = emulation::counts().graphs;
  CHECK(launches.step(pictures.images(), pictures.labels).loss == loss);
  CHECK(emulation::counts().graphs == before);
  emulation::settings().graphs = true;
  CHECK(state(graphs) == state(launches));
}

TEST_CASE("a call that fails is an error that names it, the stage and its shape") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(4);
  emulation::settings().refused_call = "cudaLaunchKernel";
  emulation::settings().allowed_calls = 2;  // gates and images
  CHECK_THROWS_WITH_AS(
      static_cast<void>(trainer.step(pictures.images(), pictures.labels)),
      doctest::Contains(
          "CUDA: cudaLaunchKernel for conv_forward, 4 images of 3 x 8 x 8 to 8 x 8 x 8 failed: "),
      Error);
  emulation::settings().refused_call.clear();
}

TEST_CASE("a trainer, its weights and what is made of them stay on its device, whichever thread asks") {
  const Pictures first(4, 1), second(3, 2), test(6, 3);
  std::vector<float> numbers;
  std::vector<double> scores;
  const auto use = [&](Trainer<Net, Device>& trainer) {
    scores.push_back(trainer.step(first.images(), first.labels).loss);
    scores.push_back(
        trainer.step(second.images(), second.labels, std::vector<std::uint8_t>{1, 0, 1, 0}).loss);
    scores.push_back(trainer.evaluate(test.images(), test.labels).loss);
    TestOptions options;
    options.batch = 3;
    options.threads = 1;
    reestimate_norms<Net, Device>(*trainer.weights(), test.images(), {}, options);
    const auto add = [&](const std::vector<float>& more) {
      numbers.insert(numbers.end(), more.begin(), more.end());
    };
    add(trainer.predict(test.images()));
    Inference<Net, Device> inference(trainer.weights(), {.batch = 2});
    std::thread([&] { add(inference.predict(test.images())); }).join();
    trainer.weights()->parameters().data()[0] += 1;
    scores.push_back(trainer.step(first.images(), first.labels).loss);
    add(state(trainer));
  };
  emulation::settings().devices = 2;
  REQUIRE(cudaSetDevice(1) == cudaSuccess);
  auto moved = std::make_unique<Trainer<Net, Device>>(options());
  Trainer<Net, Device> stays(options());
  std::thread([&] {
    use(*moved);
    moved.reset();
    int device = -1;
    CHECK(cudaGetDevice(&device) == cudaSuccess);
    CHECK(device == 0);
  }).join();
  const std::vector<float> elsewhere = std::exchange(numbers, {});
  const std::vector<double> scores_elsewhere = std::exchange(scores, {});
  use(stays);
  CHECK(numbers == elsewhere);
  CHECK(scores == scores_elsewhere);
  REQUIRE(cudaSetDevice(0) == cudaSuccess);
  emulation::settings().devices = 1;
}

TEST_CASE("a device that does nothing until someone waits gives the same bits") {
  Trainer<Net, Device> eager(options()), lazy(options());
  std::vector<double> losses;
  const auto train = [&](Trainer<Net, Device>& trainer) {
    std::vector<Trainer<Net, Device>::Started> started;
    for (std::uint32_t step = 0; step < 5; ++step) {
      const Pictures pictures(4, step);
      started.push_back(trainer.start(pictures.images(), pictures.labels));
    }
    for (const auto& one : started) losses.push_back(trainer.finish(one).loss);
    const Pictures test(6, 9);
    losses.push_back(trainer.evaluate(test.images(), test.labels).loss);
  };
  train(eager);
  emulation::settings().deferred = true;
  train(lazy);
  CHECK(state(eager) == state(lazy));
  emulation::settings().deferred = false;
  for (std::size_t i = 0; i < losses.size() / 2; ++i) CHECK(losses[i] == losses[i + losses.size() / 2]);
}
#endif

TEST_CASE("kernels that begin before the one in front has ended give the same bits") {
  Trainer<Net, Device> early(options()), plain(options());
  early.walk().context().use_dependent_launches(true);
  for (std::uint32_t step = 0; step < 6; ++step) {
    const Pictures pictures(step == 3 ? 2 : 4, step);
    CHECK(early.step(pictures.images(), pictures.labels).loss ==
          plain.step(pictures.images(), pictures.labels).loss);
  }
  CHECK(state(early) == state(plain));
}

TEST_CASE("the same seed gives the same bits") {
  Trainer<Net, Device> a(options()), b(options());
  for (std::uint32_t step = 0; step < 3; ++step) {
    const Pictures pictures(4, step);
    CHECK(a.step(pictures.images(), pictures.labels).loss == b.step(pictures.images(), pictures.labels).loss);
  }
  CHECK(state(a) == state(b));
}

TEST_CASE("a loss that is not finite is an error, and the step never was") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(4);
  static_cast<void>(trainer.step(pictures.images(), pictures.labels));
  const std::vector<float> before = state(trainer);
  Pictures bad(4);
  bad.values[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(trainer.step(bad.images(), bad.labels), doctest::Contains("step 1: the loss is"),
                       Error);
  CHECK(trainer.steps() == 1);
  CHECK(state(trainer) == before);

  Trainer<Net, Device> other(options());
  static_cast<void>(other.step(pictures.images(), pictures.labels));
  CHECK(trainer.step(pictures.images(), pictures.labels).loss ==
        other.step(pictures.images(), pictures.labels).loss);
  CHECK(state(trainer) == state(other));
}

TEST_CASE(
    "a step that was started behind one whose loss is not finite is no result, whether that was asked for or not") {
  Trainer<Net, Device> trainer(options()), other(options());
  const Pictures pictures(4);
  Pictures bad(4);
  bad.values[7] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> before = state(trainer);
  static_cast<void>(trainer.start(bad.images(), bad.labels));  // nobody asks
  CHECK_THROWS_WITH_AS(trainer.step(pictures.images(), pictures.labels), doctest::Contains("the loss is"),
                       Error);
  CHECK(state(trainer) == before);
  trainer.set_steps(0);
  CHECK(trainer.step(pictures.images(), pictures.labels).loss ==
        other.step(pictures.images(), pictures.labels).loss);
  CHECK(state(trainer) == state(other));
}

TEST_CASE("a test whose loss is not finite says so, and the next step is as if it had not been") {
  Trainer<Net, Device> trainer(options()), other(options());
  const Pictures pictures(4);
  Pictures bad(4);
  bad.values[7] = std::numeric_limits<float>::quiet_NaN();
  double loss = std::numeric_limits<double>::quiet_NaN();
  try {
    loss = trainer.evaluate(bad.images(), bad.labels).loss;
  } catch (const Error&) {
  }
  CHECK_FALSE(std::isfinite(loss));
  CHECK(trainer.step(pictures.images(), pictures.labels).loss ==
        other.step(pictures.images(), pictures.labels).loss);
  CHECK(state(trainer) == state(other));
}

TEST_CASE("steps may be started ahead of their losses") {
  Trainer<Net, Device> ahead(options()), waiting(options());
  std::vector<Trainer<Net, Device>::Started> started;
  std::vector<double> losses;
  for (std::uint32_t step = 0; step < 4; ++step) {
    const Pictures pictures(4, step);
    started.push_back(ahead.start(pictures.images(), pictures.labels));
    losses.push_back(waiting.step(pictures.images(), pictures.labels).loss);
  }
  for (std::size_t i = 0; i < started.size(); ++i) CHECK(ahead.finish(started[i]).loss == losses[i]);
  CHECK(state(ahead) == state(waiting));

  // The last 64 losses are kept.
  const Pictures pictures(4);
  started.clear(), losses.clear();
  for (int step = 0; step < 65; ++step) {
    started.push_back(ahead.start(pictures.images(), pictures.labels));
    losses.push_back(waiting.step(pictures.images(), pictures.labels).loss);
  }
  CHECK_THROWS_WITH_AS(ahead.finish(started[0]), doctest::Contains("when 64 more had been started"), Error);
  CHECK(ahead.finish(started[1]).loss == losses[1]);
  CHECK(ahead.finish(started[64]).loss == losses[64]);
}

TEST_CASE("a step that is refused in the middle of a block changes nothing, and the next one is made") {
  using Point = Network<Input<3, 1, 1>, Conv<8, 1, 1, Bias::learned>, ReLU,
                        StochasticDepth<Residual<Conv<8>, BN>, Uniform<1.0>>, Linear<5>>;
  Trainer<Point, Device> trainer(options()), other(options());
  const std::vector<float> values{0.5F, -1, 2, 1, 0, 0.25F};
  const std::vector<int> labels{1, 3};
  CHECK_THROWS_WITH_AS(trainer.step(NHWC<float>{std::span(values).first(3)}, std::vector{1}),
                       doctest::Contains("BN needs more than one number per channel in training"), Error);
  for (int step = 0; step < 2; ++step)
    CHECK(trainer.step(NHWC<float>{values}, labels).loss == other.step(NHWC<float>{values}, labels).loss);
}

TEST_CASE("an evaluation may be started ahead of the score of the one before, of several parts, too") {
  Trainer<Net, Device> trainer(options());
  static_cast<void>(trainer.step(Pictures(4).images(), Pictures(4).labels));
  const Pictures two(4, 2), three(10, 3);
  const Score of_two = trainer.evaluate(two.images(), two.labels),
              of_three = trainer.evaluate(three.images(), three.labels);
  const auto first = trainer.start_evaluation(two.images(), two.labels);
  const auto second = trainer.start_evaluation(three.images(), three.labels);
  CHECK(trainer.finish(first).loss == of_two.loss);
  CHECK(trainer.finish(second).loss == of_three.loss);
  CHECK(trainer.finish(second).errors == of_three.errors);
  static_cast<void>(trainer.start_evaluation(three.images(), three.labels));
  static_cast<void>(trainer.start_evaluation(three.images(), three.labels));
  CHECK_THROWS_WITH_AS(static_cast<void>(trainer.finish(first)), doctest::Contains("older batch"), Error);
  // an image of which only a logit that nothing depends on is infinite has a loss, and no score
  Trainer<Net, Device> infinite(options());
  Weights<Net, Device>& weights = *infinite.weights();
  weights.parameters().data()[weights.find("fc.bias").offset + 4] = -std::numeric_limits<float>::infinity();
  const Pictures labels_without_4(4, 0);  // 0, 2, 4, 1
  auto labels = labels_without_4.labels;
  std::ranges::replace(labels, 4, 3);
  const auto started = infinite.start_evaluation(labels_without_4.images(), labels);
  CHECK_THROWS_WITH_AS(static_cast<void>(infinite.finish(started)), doctest::Contains("for class 4"), Error);
}

#if !defined(__CUDACC__)
TEST_CASE("an evaluation is handed over without waiting for what was handed over before") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(4);
  const auto start = [&] { return trainer.start_evaluation(pictures.images(), pictures.labels); };
  for (int warm_up = 0; warm_up < 4; ++warm_up) static_cast<void>(trainer.finish(start()));
  emulation::settings().deferred = true;
  const auto first = start();
  const emulation::Counts before = emulation::counts();
  const auto second = start();
  const emulation::Counts after = emulation::counts();
  emulation::settings().deferred = false;
  CHECK(after.allocations == before.allocations);
  CHECK(after.waits - before.waits <= 3);  // for pinned buffers that the device has long read
  CHECK(trainer.finish(first).loss == trainer.finish(second).loss);
}
#endif

TEST_CASE("weights written on the host are what the device goes on with") {
  Trainer<Net, Device> a(options()), b(options());
  const Pictures pictures(4);
  static_cast<void>(a.step(pictures.images(), pictures.labels));
  static_cast<void>(a.step(pictures.images(), pictures.labels));
  const auto copy = [](const auto& from, auto& to) { std::copy_n(from.data(), from.size(), to.data()); };
  copy(std::as_const(*a.weights()).parameters(), b.weights()->parameters());
  copy(std::as_const(*a.weights()).running(), b.weights()->running());
  copy(std::as_const(a.optimizer_state("momentum")), b.optimizer_state("momentum"));
  b.set_steps(a.steps());
  CHECK(a.step(pictures.images(), pictures.labels).loss == b.step(pictures.images(), pictures.labels).loss);
  CHECK(state(a) == state(b));
}

TEST_CASE("Inference has the trainer's logits, without dropped blocks too") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(5);
  static_cast<void>(trainer.step(Pictures(4).images(), Pictures(4).labels));
  Inference<Net, Device> inference(trainer.weights(), {.batch = 2});
  CHECK(inference.predict(pictures.images()) == trainer.predict(pictures.images()));
  std::vector<float> logits(25);
  inference.predict(pictures.images(), logits);
  CHECK(logits == trainer.predict(pictures.images()));
  const DepthPlan plan{{1, 0, 1, 0}};
  Inference<Net, Device> shorter(trainer.weights(), {.batch = 5, .plan = plan});
  CHECK(shorter.predict(pictures.images()) == trainer.predict(pictures.images(), plan));
  CHECK(shorter.predict(pictures.images()) != trainer.predict(pictures.images()));
  std::vector<float> too_few(3);
  CHECK_THROWS_WITH_AS(inference.predict(pictures.images(), too_few),
                       doctest::Contains("expected room for 25 logits"), Error);
}

TEST_CASE(
    "folded weights are those of now, lie on the device once for all that read them, and make no norm again") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(5);
  static_cast<void>(trainer.step(Pictures(4).images(), Pictures(4).labels));
  const DepthPlan plan{{1, 1, 1, 0}};
  const std::vector<double> survival{1, 0.75, 0.5, 0.25};
  const auto folded =
      std::make_shared<const FoldedWeights<Net, Device>>(*trainer.weights(), survival, Scaling::train, plan);
  TestOptions as_trained;
  as_trained.survival = survival, as_trained.scaling = Scaling::train;
  Inference<Net, Device> one(folded, 2), other(folded, 5),
      same(trainer.weights(), {.survival = survival, .scaling = Scaling::train, .batch = 3, .plan = plan});
  const std::vector<float> expected = one.predict(pictures.images());
  CHECK(other.predict(pictures.images()) == expected);
  CHECK(same.predict(pictures.images()) == expected);
  CHECK(Inference<Net, Device>(trainer.weights(), {.survival = survival}).predict(pictures.images()) !=
        expected);
  CHECK(score_at_depth(*trainer.weights(), plan, pictures.images(), pictures.labels, as_trained).blocks_run ==
        3);
  static_cast<void>(trainer.step(Pictures(4).images(), Pictures(4).labels));
  CHECK(one.predict(pictures.images()) == expected);
  CHECK(trainer.predict(pictures.images(), plan) != expected);
  CHECK_THROWS_WITH_AS((Inference<Net, Device>(std::shared_ptr<const FoldedWeights<Net, Device>>())),
                       doctest::Contains("null"), Error);
#if !defined(__CUDACC__)
  const auto kernels_of = [&](const auto& predict) {
    emulation::settings().graphs = false;  // each launch is then counted
    const std::size_t before = emulation::counts().launches;
    static_cast<void>(predict());
    emulation::settings().graphs = true;
    return emulation::counts().launches - before;
  };
  trainer.walk().context().use_graphs(false);
  const std::size_t walk = kernels_of([&] { return trainer.predict(pictures.images(), plan); });
  // Two batches of four; the stem's norm, and of the three blocks that run two each.
  CHECK(walk - kernels_of([&] { return Inference<Net, Device>(folded, 4).predict(pictures.images()); }) ==
        2 * 7);
#endif
}

#if defined(__CUDACC__)  // the emulated device serves one thread at a time
TEST_CASE("several threads may each have an Inference from the same weights on one device") {
  Trainer<Net, Device> trainer(options());
  const Pictures pictures(5);
  static_cast<void>(trainer.step(Pictures(4).images(), Pictures(4).labels));
  const std::vector<float> expected = trainer.predict(pictures.images());
  const auto folded = std::make_shared<const FoldedWeights<Net, Device>>(*trainer.weights());
  std::vector<std::vector<float>> found(4);
  std::vector<std::thread> threads;
  for (std::vector<float>& own : found)
    threads.emplace_back([&] {
      Inference<Net, Device> inference(folded, 2);
      for (int again = 0; again < 20; ++again) own = inference.predict(pictures.images());
    });
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<float>& own : found) CHECK(own == expected);
}
#endif

TEST_CASE("Inference refuses what it cannot run with, by a sentence, and gives each image its own logits") {
  Trainer<Net, Device> trainer(options());
  CHECK_THROWS_WITH_AS((Inference<Net, Device>(trainer.weights(), {.batch = 0})),
                       doctest::Contains("inference: batch is 0, expected at least 1"), Error);
  CHECK_THROWS_WITH_AS((Inference<Net, Device>(trainer.weights(), {.batch = -3})),
                       doctest::Contains("batch is -3"), Error);
  CHECK_THROWS_WITH_AS((Inference<Net, Device>(trainer.weights(), {.batch = 1, .threads = 0})),
                       doctest::Contains("threads is 0"), Error);
  CHECK_THROWS_WITH_AS((Inference<Net, Device>(std::shared_ptr<const Weights<Net, Device>>())),
                       doctest::Contains("inference: the pointer to its weights is null"), Error);
  Inference<Net, Device> inference(trainer.weights());
  const Pictures pictures(3);
  Pictures bad(3);
  bad.values[Net::input.size() + 5] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> expected = inference.predict(pictures.images()),
                           found = inference.predict(bad.images());
  for (std::size_t i = 0; i < found.size(); ++i)
    if (i / Inference<Net, Device>::classes == 1)
      CHECK(std::isnan(found[i]));
    else
      CHECK(found[i] == expected[i]);
}

TEST_CASE("norms are estimated as on the CPU") {
  Trainer<Net, Device> device(options());
  Trainer<Net, Host> host(options());
  const Pictures pictures(8);
  TestOptions test;
  test.batch = 4;
  test.threads = 1;
  reestimate_norms<Net, Device>(*device.weights(), pictures.images(), {}, test);
  reestimate_norms<Net, Host>(*host.weights(), pictures.images(), {}, test);
  CHECK(distance(device, host, weights_of) < 1e-5);
}

TEST_CASE("tensor cores' rounding is the only difference of TF32") {
  Trainer<Net, Cuda<Precision::tf32>> rounded(options());
  Trainer<Net, Host> host(options());
  const Pictures pictures(4);
  const double a = rounded.step(pictures.images(), pictures.labels).loss,
               b = host.step(pictures.images(), pictures.labels).loss;
  CHECK(a == doctest::Approx(b).epsilon(5e-3));
  CHECK(a != b);
  CHECK(distance(rounded, host, weights_of) < 5e-3);
}

TEST_CASE("what does not fit the device's memory is refused by a sentence") {
  CHECK_THROWS_WITH_AS((Trainer<Net, Device>(options(1 << 30))),
                       doctest::Contains("the device has no room for"), Error);
}

}  // namespace
}  // namespace sdepth::test::trainer_test
