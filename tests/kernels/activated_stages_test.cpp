// Stages and inference with activations other than ReLU, among them a user's own: those whose derivative
// needs its output, and those that need the input, which a backward stage computes again although the values
// are there.
#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/silu.hpp>

#include "../activations/mish.hpp"
#include "inference_tensor.hpp"
#include "stage_cases.hpp"

namespace sdepth::test::activated_stages_test {
namespace {

using of_a_user::Mish;

/// What networks have pending, with finished values and without.
[[nodiscard]] std::vector<Pending> activated_pending() {
  std::vector<Pending> all;
  for (const Pending& pending : all_pending())
    if (pending.activated && (!pending.shortcut || pending.norm)) all.push_back(pending);
  return all;
}

template <class B, class A>
void check_points() {
  constexpr Shape image{21, 7, 5};
  for (const Pending& pending : activated_pending()) {
    check_close(run_finish<B, image, A>(3, pending, {}, 2), run_finish<Reference, image, A>(3, pending),
                5e-6);
    check_close(run_finish_backward<B, image, A>(3, pending, {}, 2),
                run_finish_backward<Reference, image, A>(3, pending, {}), 1e-5);
  }
}
TEST_CASE_TEMPLATE_DEFINE("finish and finish_backward with every activation", B, points) {
  check_points<B, LeakyReLU<>>();
  check_points<B, LeakyReLU<std::ratio<1, 5>>>();
  check_points<B, GELU>();
  check_points<B, SiLU>();
  check_points<B, Hardswish>();
  check_points<B, Mish>();
}
TEST_CASE_TEMPLATE_APPLY(points, Backends);

template <class B, class A, ConvShape S>
void check_stages(int batch, const Pending& pending) {
  const Backward backward{.add = true};
  check_close(run_conv_forward<B, S, A>(batch, 2, pending),
              run_conv_forward<Reference, S, A>(batch, 1, pending), 5e-6);
  const Results found = run_conv_backward<B, S, A>(batch, 2, pending, backward);
  check_close(found, run_conv_backward<Reference, S, A>(batch, 1, pending, backward), 2e-5);
  CHECK(found == run_conv_backward<B, S, A>(batch, 1, pending, backward));
}
TEST_CASE_TEMPLATE_DEFINE("convolution stages with activations that need their output or their input", B,
                          convolutions) {
  constexpr ConvShape direct{{10, 6, 5}, 18, 3, 1, 1, true}, tiles{{16, 8, 8}, 20, 3, 1, 1},
      stem{{3, 6, 5}, 18, 3, 1, 1, true, true};
  static_assert(cpu::winograd_pays(tiles));
  for (const Pending& pending : activated_pending()) {
    check_stages<B, LeakyReLU<>, direct>(2, pending);
    check_stages<B, GELU, direct>(2, pending);
  }
  // Groups of several images, of which each has its own derivatives.
  for (const bool finished : {false, true})
    check_stages<B, GELU, tiles>(
        11, {.norm = true, .shortcut = true, .shortcut_norm = true, .activated = true, .finished = finished});
  check_stages<B, GELU, tiles>(3, {.norm = true});
  check_stages<B, GELU, stem>(2, {.norm = true, .activated = true});
}
TEST_CASE_TEMPLATE_APPLY(convolutions, Backends);

/// Convolution, linear layer and pointwise operation at inference, each with its ending.
template <class B, class A, class After>
[[nodiscard]] Results run_inference() {
  using Kernels = typename B::ForInference;
  constexpr ConvShape conv{{10, 6, 5}, 18, 3, 1, 1};
  constexpr Shape out = conv.out(), row{8, 1, 1};
  constexpr Ending ending{.activated = true, .add = true, .activated_after = true};
  using Conv = typename Kernels::template Conv<conv>;
  Results results;
  const InferenceTensor<B, conv.in> x(random_numbers(conv.in.size(), 1));
  InferenceTensor<B, out> y(random_numbers(out.size(), 2));
  std::vector<float> numbers(Conv::size), work(Conv::work_size + 1);
  Packed<B> weights(random_numbers(9 * 10 * 18, 3), 18), bias(random_numbers(18, 4), 18),
      scale(random_numbers(18, 5), 18);
  Conv::prepare(weights.data(), bias.data(), numbers.data());
  Conv::template run<ending, A, After>(1, x.numbers.data(), numbers.data(), y.numbers.data(), work.data());
  results["convolution"] = y.dense();
  InferenceTensor<B, out> z(random_numbers(out.size(), 6));
  Kernels::template pointwise<out, ending, A, After>(1, y.numbers.data(), scale.data(), bias.data(),
                                                     z.numbers.data());
  results["pointwise"] = z.dense();
  const InferenceTensor<B, row> in(random_numbers(8, 7));
  InferenceTensor<B, row> features;
  Packed<B> matrix(random_numbers(64, 8), 8), offsets(random_numbers(8, 9), 8);
  Kernels::template linear<LinearShape{row, 8}, true, A>(1, in.numbers.data(), matrix.data(), offsets.data(),
                                                         features.numbers.data());
  results["linear"] = features.dense();
  return results;
}
TEST_CASE_TEMPLATE_DEFINE("inference ends in one activation before the sum and another after it", B,
                          endings) {
  check_close(run_inference<B, GELU, LeakyReLU<>>(), run_inference<Reference, GELU, LeakyReLU<>>(), 5e-6);
  check_close(run_inference<B, ReLU, SiLU>(), run_inference<Reference, ReLU, SiLU>(), 5e-6);
}
TEST_CASE_TEMPLATE_APPLY(endings, Backends);

/// y = A(x), and dx = A'(x) where dy = 1, from the definition alone.
template <class B, class A>
void check_definition() {
  constexpr Shape image{5, 3, 4};
  const std::vector<float> x = random_numbers(image.size(), 1);
  for (const bool finished : {false, true}) {
    Packed<B> in(x, 5), value(image.pixels(), 5), dy(std::vector<float>(image.size(), 1.0F), 5),
        dx(image.pixels(), 5);
    typename B::Context context(1);
    Source<float> source{.x = in.data(), .activated = true, .finished = value.data()};
    B::template finish<image, A>(context, 1, source, {});
    if (!finished) source.finished = nullptr;
    B::template finish_backward<image, A>(context, 1, {.dy = dy.data()}, source, nullptr, dx.data(), {});
    for (std::size_t i = 0; i < x.size(); ++i) {
      const auto at = static_cast<double>(x[i]), step = 1e-5;
      CHECK(static_cast<double>(value.dense()[i]) == doctest::Approx(A::forward(at)).epsilon(1e-6));
      CHECK(static_cast<double>(dx.dense()[i]) ==
            doctest::Approx((A::forward(at + step) - A::forward(at - step)) / (2 * step)).epsilon(1e-5));
    }
  }
}
TEST_CASE_TEMPLATE_DEFINE("a stage's gradient is the slope of its value", B, definitions) {
  check_definition<B, GELU>();
  check_definition<Reference, GELU>();
  check_definition<Reference, LeakyReLU<>>();
}
TEST_CASE_TEMPLATE_APPLY(definitions, Backends);

}  // namespace
}  // namespace sdepth::test::activated_stages_test
