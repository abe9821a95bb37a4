// Depth at inference: what a plan leaves of a network computes what the whole one does with those branches
// multiplied by zero, and nothing of a dropped block is left: no weights, no memory, no kernel's call.
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/schedules.hpp>
#include <sdepth/train/trainer.hpp>

#include "backends.hpp"
#include "distance.hpp"

namespace sdepth::test::depth_test {

namespace {

template <class Block>
using Drop = StochasticDepth<Block, LinearDecay<0.5>>;

/// Every kind of shortcut, after the sum a ReLU or nothing, in rows and alone: blocks 0–2 in a row, 3, 5 and
/// 6 change the shape, 7–8 in a row.
//
using Net = Network<
    Input<3, 12, 12>, Conv<16>, BN, ReLU, Repeat<3, Drop<Residual<Conv<16>, BN, ReLU, Conv<16>, BN>>>,
    //
    Drop<Residual<Conv<32, 3, 2>, BN, ReLU, Conv<32>, BN>>, Drop<Residual<Conv<32>, ReLU>>,
    Drop<ResidualWith<SubsampleShortcut, Conv<48, 3, 2>, BN>>,
    Drop<ResidualWith<ProjectionShortcut, Conv<20>, BN>>, Repeat<2, Drop<PreActivation<BN, ReLU, Conv<20>>>>,
    Drop<PreActivationWith<ProjectionShortcut, BN, ReLU, Conv<24>>>, BN, ReLU, GlobalAvgPool, Linear<5>>;
constexpr std::size_t blocks = 10;
static_assert(Net::residual_blocks == blocks);

/// No block's weights are zeros or another's: nothing may be taken for anything else.
template <class Backend>
[[nodiscard]] Trainer<Net, Backend> some_trainer(Scaling scaling) {
  TrainingOptions options;
  options.batch = 4;
  options.threads = 2;
  options.scaling = scaling;
  Trainer<Net, Backend> trainer(options);
  std::uint32_t which = 0;
  for (const ParameterInfo& tensor : trainer.weights()->tensors()) {
    auto numbers = trainer.parameter(tensor.name);
    ++which;
    for (int r = 0; r < numbers.rows(); ++r)
      for (int c = 0; c < numbers.cols(); ++c)
        numbers(r, c) += static_cast<typename Backend::Scalar>(
            0.4 * uniform(random_words(4, Purpose::synthetic,
                                       static_cast<std::uint64_t>(r * numbers.cols() + c), which)[0]) -
            0.2);
  }
  return trainer;
}

[[nodiscard]] std::vector<float> some_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(uniform(random_words(5, Purpose::synthetic, i, 0)[0]) - 0.5);
  return images;
}

/// The reference in double with every branch computed, and those of dropped blocks multiplied by zero.
[[nodiscard]] std::vector<float> masked(const std::vector<float>& images, Scaling scaling,
                                        const std::vector<std::uint8_t>& keep) {
  // the same for every backend
  static std::map<std::pair<Scaling, std::vector<std::uint8_t>>, std::vector<float>> known;
  std::vector<float>& logits = known[{scaling, keep}];
  if (!logits.empty()) return logits;
  auto trainer = some_trainer<ReferenceDouble>(scaling);
  std::vector<double> scales = detail::test_scales(scaling, Net::survival);
  for (std::size_t block = 0; block < blocks; ++block)
    if (!keep[block]) scales[block] = 0;
  logits = detail::predict_all(trainer.walk(), detail::numbers_at_test(*trainer.weights()),
                               NHWC<float>{images}, std::vector<std::uint8_t>(blocks, 1), scales);
  return logits;
}

/// None, each alone, all of them, and some.
[[nodiscard]] std::vector<std::vector<std::uint8_t>> some_plans() {
  std::vector<std::vector<std::uint8_t>> plans = {
      std::vector<std::uint8_t>(blocks, 0), {0, 1, 0, 0, 1, 1, 0, 0, 1, 1}, {1, 0, 1, 1, 0, 0, 1, 1, 0, 0}};
  for (std::size_t block = 0; block < blocks; ++block) {
    plans.emplace_back(blocks, std::uint8_t{1});
    plans.back()[block] = 0;
  }
  return plans;
}

/// The reference, its kernels' calls counted.
struct Counting : ReferenceDouble {
  static inline int calls = 0;
  struct ForInference : reference::InferenceKernels<double> {
    using Base = reference::InferenceKernels<double>;
    template <ConvShape S>
    struct Conv : Base::Conv<S> {
      template <Ending E, class A, class After>
      static void run(int count, const double* in, const double* numbers, double* out, double* work) {
        ++calls;
        Base::Conv<S>::template run<E, A, After>(count, in, numbers, out, work);
      }
    };
    template <PoolShape S>
    static void pool(int count, const double* in, double* out) {
      ++calls;
      Base::pool<S>(count, in, out);
    }
    template <ShortcutShape S>
    static void shortcut(int count, const double* in, double* out) {
      ++calls;
      Base::shortcut<S>(count, in, out);
    }
    template <LinearShape S, bool Activated, class A>
    static void linear(int count, const double* in, const double* weights, const double* bias, double* out) {
      ++calls;
      Base::linear<S, Activated, A>(count, in, weights, bias, out);
    }
    template <Shape S, Ending E, class A, class After>
    static void pointwise(int count, const double* in, const double* scale, const double* shift,
                          double* out) {
      ++calls;
      Base::pointwise<S, E, A, After>(count, in, scale, shift, out);
    }
  };
};

}  // namespace

TEST_CASE_TEMPLATE("what a plan leaves computes the network with the dropped branches masked", Backend,
                   AND_CPU(ReferenceDouble), Cpu<xsimd::default_arch, cpu::Direct>) {
  const std::vector<float> images = some_images(7);
  const double rounding = std::is_same_v<typename Backend::Scalar, double> ? 1e-6 : 1e-5;
  for (const Scaling scaling : {Scaling::test, Scaling::train}) {
    auto trainer = some_trainer<Backend>(scaling);
    const std::vector<float> all = trainer.predict(NHWC<float>{images});
    for (const std::vector<std::uint8_t>& keep : some_plans()) {
      CAPTURE(keep);
      const DepthPlan plan{keep};
      const std::vector<float> expected = masked(images, scaling, keep);
      CHECK(distance(all, expected) > 1e-3);  // every block matters
      for (const auto& [batch, threads] : {std::pair(1, 1), std::pair(7, 1), std::pair(5, 2)}) {
        Inference<Net, Backend> inference(trainer.weights(), {{}, scaling, batch, threads, plan});
        const std::vector<float> logits = inference.predict(NHWC<float>{images});
        CHECK(distance(logits, expected) < rounding);
        CHECK(inference.predict(NHWC<float>{images}) == logits);
      }
      // the training walk's gates
      CHECK(distance(trainer.predict(NHWC<float>{images}, plan), expected) < rounding);
      CHECK(trainer.walk().slots_all_free());
      const std::vector<int> labels(7, 1);
      CHECK(trainer.evaluate(NHWC<float>{images}, labels, plan).blocks_run == blocks_kept<Net>(plan));
    }
    const DepthPlan every{std::vector<std::uint8_t>(blocks, 1)};
    CHECK(Inference<Net, Backend>(trainer.weights(), {.scaling = scaling, .batch = 7, .plan = every})
              .predict(NHWC<float>{images}) ==
          Inference<Net, Backend>(trainer.weights(), {.scaling = scaling, .batch = 7})
              .predict(NHWC<float>{images}));
  }
}

TEST_CASE(
    "a dropped block has no weights and runs no kernel; its shortcut alone is left, where it is not the identity") {
  const std::vector<float> images = some_images(1);
  const auto weights = std::make_shared<const Weights<Net, Counting>>();
  const auto look_at = [&](const DepthPlan& plan) {
    const auto folded = std::make_shared<const FoldedWeights<Net, Counting>>(
        *weights, std::span<const double>(), Scaling::test, plan);
    Counting::calls = 0;
    static_cast<void>(Inference<Net, Counting>(folded, 1).predict(NHWC<float>{images}));
    return std::pair(folded->size(), Counting::calls);
  };
  const auto [numbers, calls] = look_at({});
  const auto saved_without = [&](std::size_t block) {
    DepthPlan plan{std::vector<std::uint8_t>(blocks, 1)};
    plan.keep[block] = 0;
    const auto [fewer_numbers, fewer_calls] = look_at(plan);
    return std::pair(numbers - fewer_numbers, calls - fewer_calls);
  };
  // with its bias; multiples of a cache line
  const auto convolution = [](std::size_t in, std::size_t out) { return 9 * in * out + out; };
  CHECK(saved_without(1) == std::pair(2 * convolution(16, 16), 2));
  CHECK(saved_without(3) == std::pair(convolution(16, 32) + convolution(32, 32), 2));
  CHECK(saved_without(5) == std::pair(convolution(32, 48), 1));
  CHECK(saved_without(6).second == 1);
  CHECK(saved_without(7).second == 2);  // BN and ReLU, convolution

  // What always runs: the stem, four shortcuts, the last BN, pool and linear layer.
  CHECK(look_at({std::vector<std::uint8_t>(blocks, 0)}).second == 1 + 4 + 1 + 1 + 1);
}

TEST_CASE("a plan of another network is refused") {
  const auto weights = std::make_shared<const Weights<Net, Cpu<>>>();
  const DepthPlan plan{{1, 0}};
  CHECK_THROWS_WITH_AS((Inference<Net, Cpu<>>(weights, {.batch = 1, .plan = plan})),
                       doctest::Contains("expected 10 entries"), Error);
  auto trainer = some_trainer<Cpu<>>(Scaling::test);
  CHECK_THROWS_WITH_AS(trainer.predict(NHWC<float>{some_images(1)}, plan),
                       doctest::Contains("expected 10 entries"), Error);
}

}  // namespace sdepth::test::depth_test
