// A step that throws never was: wherever it ends, and whatever for, the next one gives the bits that it would
// have given anyway, and no memory stays behind.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <new>
#include <utility>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

namespace sdepth::test::failed_step_test {

namespace {

/// A backend that runs out of memory when so many kernels have run.
template <class Backend>
struct Exhausted : Backend {
  using typename Backend::Context;
  using T = typename Backend::Scalar;
  static inline int left = -1;  // kernels that still run; −1: all
  static void count() {
    if (left >= 0 && left-- == 0) throw std::bad_alloc();
  }
  template <ConvShape S, class A = ReLU, class... Arguments>
  static void conv_forward(Arguments&&... arguments) {
    count();
    Backend::template conv_forward<S, A>(std::forward<Arguments>(arguments)...);
  }
  template <ConvShape S, class A = ReLU, class... Arguments>
  static void conv_backward(Arguments&&... arguments) {
    count();
    Backend::template conv_backward<S, A>(std::forward<Arguments>(arguments)...);
  }
  template <Shape S, class A = ReLU, class... Arguments>
  static void finish(Arguments&&... arguments) {
    count();
    Backend::template finish<S, A>(std::forward<Arguments>(arguments)...);
  }
  template <Shape S, class A = ReLU, class... Arguments>
  static void finish_backward(Arguments&&... arguments) {
    count();
    Backend::template finish_backward<S, A>(std::forward<Arguments>(arguments)...);
  }
  template <PoolShape S, class... Arguments>
  static void pool_forward(Arguments&&... arguments) {
    count();
    Backend::template pool_forward<S>(std::forward<Arguments>(arguments)...);
  }
  template <PoolShape S, class... Arguments>
  static void pool_backward(Arguments&&... arguments) {
    count();
    Backend::template pool_backward<S>(std::forward<Arguments>(arguments)...);
  }
  template <LinearShape S, class... Arguments>
  static void linear_forward(Arguments&&... arguments) {
    count();
    Backend::template linear_forward<S>(std::forward<Arguments>(arguments)...);
  }
  template <LinearShape S, class... Arguments>
  static void linear_backward(Arguments&&... arguments) {
    count();
    Backend::template linear_backward<S>(std::forward<Arguments>(arguments)...);
  }
  static LossResult softmax_cross_entropy(Context& context, int batch, int classes, const T* logits,
                                          const int* labels, T* gradient) {
    count();
    return Backend::softmax_cross_entropy(context, batch, classes, logits, labels, gradient);
  }
};

template <int C, Gating G, int Stride = 1>
using Drop = StochasticDepth<Residual<Conv<C, 3, Stride>, BN, ReLU, Conv<C>, BN>, Uniform<0.6>, G>;
template <Gating G>
using Net = Network<Input<3, 8, 8>, Conv<4>, BN, ReLU, MaxPool<3, 1, 1>, Repeat<3, Drop<4, G>>, Drop<8, G, 2>,
                    Drop<8, G>, GlobalAvgPool, Linear<4>>;
constexpr int batch = 6;

struct Data {
  std::vector<float> images = std::vector<float>(batch * 192);
  std::vector<int> labels = {0, 1, 2, 3, 0, 1};
  explicit Data(std::uint64_t seed) {
    for (std::size_t i = 0; i < images.size(); ++i)
      images[i] = static_cast<float>(uniform(random_words(seed, Purpose::synthetic, i, 0)[0]) - 0.5);
  }
};

template <class Trainer>
[[nodiscard]] bool same_state(Trainer& a, Trainer& b) {
  const auto equal = [](const auto& x, const auto& y) {
    return std::memcmp(x.data(), y.data(), x.size() * sizeof(typename Trainer::T)) == 0;
  };
  return equal(a.weights()->parameters(), b.weights()->parameters()) &&
         equal(a.weights()->running(), b.weights()->running()) &&
         equal(a.optimizer_state("momentum"), b.optimizer_state("momentum")) &&
         std::ranges::equal(a.gates(), b.gates()) && a.steps() == b.steps();
}

template <class Backend, Gating G>
void check() {
  using Failing = Exhausted<Backend>;
  TrainingOptions options;
  options.batch = batch;
  options.threads = 2;
  options.seed = 3;
  options.sgd.learning_rate = 0.01;
  Trainer<Net<G>, Failing> trainer(options), untouched(options);
  std::uint64_t steps = 0;
  const auto good_step = [&] {
    const Data data(++steps);
    CHECK(trainer.step(NHWC<float>{data.images}, data.labels).loss ==
          untouched.step(NHWC<float>{data.images}, data.labels).loss);
    CHECK(same_state(trainer, untouched));
    CHECK(trainer.walk().slots_all_free());
  };
  good_step();

  const Data data(100);
  Data poisoned(101);
  poisoned.images[17] = std::numeric_limits<float>::quiet_NaN();
  const std::span<const float> images = data.images;
  const std::vector<int> label_out_of_range = {0, 1, 2, 4, 0, 1};
  const std::vector<std::uint8_t> gates(5, 1), too_few_gates(3, 1);
  // The most that good passes take, so that what comes on top of it is a loss.
  for (Trainer<Net<G>, Failing>* each : {&trainer, &untouched}) {
    (void)each->step(NHWC<float>{images}, data.labels, gates);
    (void)each->evaluate(NHWC<float>{images}, data.labels);
  }
  const std::size_t bytes = trainer.walk().slot_bytes();
  const auto refused = [&](const char* what, const auto& step) {
    CAPTURE(what);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(step(), Error);
    CHECK(same_state(trainer, untouched));
    good_step();
  };
  refused("loss", [&] { trainer.step(NHWC<float>{poisoned.images}, poisoned.labels); });
  refused("loss, gates given", [&] { trainer.step(NHWC<float>{poisoned.images}, poisoned.labels, gates); });
  refused("label", [&] { trainer.step(NHWC<float>{images}, label_out_of_range); });
  refused("label, gates given", [&] { trainer.step(NHWC<float>{images}, label_out_of_range, gates); });
  refused("labels", [&] { trainer.step(NHWC<float>{images.first(192)}, data.labels); });
  refused("size", [&] { trainer.step(NHWC<float>{images.first(100)}, data.labels); });
  refused("no images", [&] { trainer.step(NHWC<float>{}, std::vector<int>{}); });
  refused("gates", [&] { trainer.step(NHWC<float>{images}, data.labels, too_few_gates); });
  refused("evaluation", [&] { (void)trainer.evaluate(NHWC<float>{poisoned.images}, poisoned.labels); });
  refused("learning rate", [&] { trainer.set_learning_rate(std::numeric_limits<double>::quiet_NaN()); });
  refused("survival", [&] { trainer.set_survival(std::vector<double>(5, 1.5)); });

  int kernels = 0;
  for (bool thrown = true; thrown; ++kernels) {
    Failing::left = kernels;
    try {
      trainer.step(NHWC<float>{images}, data.labels, gates);
      thrown = false;
      Failing::left = -1;
      untouched.step(NHWC<float>{images}, data.labels, gates);
    } catch (const std::bad_alloc&) {
      Failing::left = -1;
    }
    CHECK(same_state(trainer, untouched));
    if (kernels % 4 == 0 || !thrown) good_step();
  }
  CHECK(kernels > 20);
  CHECK(trainer.walk().slot_bytes() == bytes);
}

}  // namespace

TEST_CASE("a step that throws changes nothing") { check<Cpu<>, Gating::per_batch>(); }
TEST_CASE("… with a gate for each image") { check<Cpu<>, Gating::per_sample>(); }
TEST_CASE("… on the reference") { check<Reference, Gating::per_batch>(); }

}  // namespace sdepth::test::failed_step_test
