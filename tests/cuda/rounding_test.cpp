// Stochastic rounding on the device: in every kernel the random bits of the reference, and of each step its
// own where a graph is launched again. rounding_training_test.cpp has whole trainings.
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/cuda.hpp>

#include "../kernels/linear_cases.hpp"
#include "../kernels/pool_cases.hpp"
#include "../kernels/rounding_checks.hpp"
#include "../kernels/stage_cases.hpp"

namespace sdepth::test::rounding_test {
namespace {

using B = Cuda<Precision::float32, bfloat16>;
using Expected = BasicReference<float, bfloat16>;
static_assert(RoundsStochastically<B> && !RoundsStochastically<Cuda<>>);

constexpr ConvShape plain_shape{{10, 6, 5}, 18, 3, 1, 1, true};
// two tiles of channels: both read numbers that one of them writes down
constexpr ConvShape deep{{33, 5, 6}, 41, 3, 1, 1};
constexpr ConvShape strided{{10, 8, 6}, 20, 3, 2, 1};
constexpr ConvShape stem{{3, 6, 5}, 18, 3, 1, 1, false, true};
constexpr Shape image{21, 7, 5};
constexpr Pending all{
    .norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = true};

template <ConvShape S, class A = ReLU>
void check_convolution(int batch, const Pending& pending) {
  CAPTURE(S.stride);
  CAPTURE(S.in.channels);
  CAPTURE(pending.finished);
  const Backward backward{.add = true};
  const Results nearest = run_conv_forward<B, S, A>(batch, 1, pending),
                nearest_back = run_conv_backward<B, S, A>(batch, 1, pending, backward);
  const Stochastically rounding;
  check_rounding(run_conv_forward<B, S, A>(batch, 1, pending),
                 run_conv_forward<Expected, S, A>(batch, 1, pending), nearest);
  check_rounding(run_conv_backward<B, S, A>(batch, 1, pending, backward),
                 run_conv_backward<Expected, S, A>(batch, 1, pending, backward), nearest_back);
}
TEST_CASE("stochastically on the device: convolutions and their gradients round as the reference does") {
#if !defined(__SANITIZE_THREAD__)
  check_convolution<plain_shape>(3, {.norm = true, .activated = true});
  check_convolution<plain_shape, GELU>(3, all);
  check_convolution<strided>(3, {.norm = true, .activated = true});
#endif
  check_convolution<deep>(2, all);
  check_convolution<strided>(3, all);
  check_convolution<stem>(3, {});
  // pixels that are no whole groups of four
  const Pending written{.norm = true, .activated = true, .finished = true};
  const Results nearest = run_conv_forward<B, stem>(3, 1, written);
  const Stochastically rounding;
  check_rounding(run_conv_forward<B, stem>(3, 1, written), run_conv_forward<Expected, stem>(3, 1, written),
                 nearest);
}

TEST_CASE(
    "stochastically on the device: what is written down, and its gradient, is rounded as by the reference") {
  for (const Pending& pending : few_activated) {
    const Finish wanted{.norm = true, .add = true};
    const Results nearest = run_finish<B, image>(3, pending),
                  nearest_back = run_finish_backward<B, image>(3, pending, wanted);
    const Stochastically rounding;
    check_rounding(run_finish<B, image>(3, pending), run_finish<Expected, image>(3, pending), nearest);
    check_rounding(run_finish_backward<B, image>(3, pending, wanted),
                   run_finish_backward<Expected, image>(3, pending, wanted), nearest_back);
  }
}

TEST_CASE("stochastically on the device: pools, shortcuts and linear layers round as the reference does") {
  constexpr PoolShape overlapping{{21, 7, 7}, PoolKind::average, 3, 3, 2, 1};
  constexpr PoolShape whole{{21, 8, 8}, PoolKind::average, 8, 8, 1, 0};
  constexpr PoolShape maximum{{21, 8, 8}, PoolKind::maximum, 3, 3, 2, 1};
  constexpr ShortcutShape shortcut{{10, 8, 8}, 20, 2};
  constexpr LinearShape linear{{21, 2, 1}, 10};
  const std::vector<float> numbers = random_numbers(3 * overlapping.in.size(), 1),
                           larger = random_numbers(3 * maximum.in.size(), 1);
  const Results pool = run_pool<B, overlapping>(3, numbers), largest = run_pool<B, maximum>(3, larger),
                mean = run_pool<B, whole>(3, larger), narrower = run_shortcut<B, shortcut>(3),
                product = run_linear<B, linear>(37, 1);
  const Stochastically rounding;
  check_rounding(run_pool<B, overlapping>(3, numbers), run_pool<Expected, overlapping>(3, numbers), pool);
  check_same_rounding(run_pool<B, whole>(3, larger), run_pool<Expected, whole>(3, larger));
  CHECK(run_pool<B, whole>(3, larger).at("out") != mean.at("out"));  // its gradient is exact
  check_same_rounding(run_pool<B, maximum>(3, larger), run_pool<Expected, maximum>(3, larger));
  CHECK(run_pool<B, maximum>(3, larger).at("out") == largest.at("out"));
  CHECK(run_pool<B, maximum>(3, larger).at("dx") != largest.at("dx"));
  check_same_rounding(run_shortcut<B, shortcut>(3), run_shortcut<Expected, shortcut>(3));
  CHECK(run_shortcut<B, shortcut>(3) != narrower);
  check_rounding(run_linear<B, linear>(37, 1), run_linear<Expected, linear>(37, 1), product);
}

TEST_CASE(
    "stochastically on the device: every number by its own 16 bits, and those without two neighbours as ever") {
  constexpr int channels = 24, pixels = 2200;
  std::vector<float> words;
  for (std::uint32_t upper = 0; words.size() < static_cast<std::size_t>(channels) * pixels; upper += 37)
    for (const std::uint32_t lower : {0x0000U, 0x0001U, 0x8000U, 0xffffU})
      words.push_back(std::bit_cast<float>((upper & 0xffff) << 16 | lower));
  std::vector<bfloat16> there(words.size());
  cuda::Context context;
  RoundingOfStep step;
  for (RoundingOfStep* rounding : {&step, &context.rounding()}) {
    rounding->stochastic(0x123456789abcdef0, 1234567);
    rounding->begin(89);
  }
  const RoundingNoise noise = step.next();
  B::store_numbers(context, 11, {channels, pixels / 11, 1}, words.data(), there.data());
  context.synchronize();
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto pixel = static_cast<std::uint32_t>(i / channels);
    REQUIRE(there[i].bits ==
            bfloat16::stochastic(words[i], noise.bits(channels, pixel, static_cast<int>(i % channels))).bits);
  }
}

/// Launches two convolutions in a graph, in one step after the other.
class Graph {
 public:
  Graph() : weights_(random_numbers(9 * 10 * 18, 2), 18), in_(random_numbers(3 * 30 * 10, 1), 10) {}
  /// What the second one writes. @param step  below 0: rounded to nearest
  [[nodiscard]] std::vector<float> run(int step) {
    Activations<B> out(90, 18);
    context_.rounding().to_nearest();
    if (step >= 0) context_.rounding().stochastic(5, static_cast<std::uint64_t>(step));
    context_.rounding().begin(4);
    context_.as_graph(0, [&] {
      for (int i = 0; i < 2; ++i)
        B::conv_forward<shape>(context_, 3, {.x = in_.data()}, weights_.data(), nullptr, made_.data(), {});
    });
    context_.synchronize();
    std::memcpy(out.data(), made_.data(), 90 * 24 * sizeof(bfloat16));
    return out.dense();
  }
  [[nodiscard]] std::size_t changes() const { return context_.replays()[0].changes(); }

 private:
  static constexpr ConvShape shape{{10, 6, 5}, 18, 3, 1, 1};
  cuda::Context context_;
  Packed<B> weights_;
  Activations<B> in_, made_{90, 18};
};
TEST_CASE(
    "stochastically on the device: a graph that is launched again draws each step's bits, and no node is changed") {
  Graph graph;
  const std::vector<float> first = graph.run(7), second = graph.run(8), third = graph.run(9);
  CHECK(graph.changes() == 0);
  CHECK(first != second);
  CHECK(second != third);
  CHECK(graph.run(7) == first);
  CHECK(graph.changes() == 0);
  const std::vector<float> nearest = graph.run(-1);
  CHECK(nearest != first);
  CHECK(graph.run(8) == second);
  CHECK(Graph().run(8) == second);  // in a graph that is made then
}

}  // namespace
}  // namespace sdepth::test::rounding_test
