// What is not a number, and infinities: every backend keeps them where the reference does, so that they reach
// the loss from wherever they come in.
#include <sdepth/optimizers/sgd.hpp>

#include "inference_tensor.hpp"
#include "pool_cases.hpp"

namespace sdepth::test::not_finite_test {
namespace {

constexpr float nan = std::numeric_limits<float>::quiet_NaN(),
                infinity = std::numeric_limits<float>::infinity();

/// NaN where NaN is expected, the same infinities, and the rest within 1e-5.
[[nodiscard]] bool same_kind(const std::vector<float>& found, const std::vector<float>& expected) {
  return std::ranges::equal(found, expected, [](float a, float b) {
    if (std::isnan(b)) return std::isnan(a);
    return std::isinf(b) ? a == b : std::abs(a - b) <= 1e-5F * std::max(1.0F, std::abs(b));
  });
}
void check_same_kind(const Results& found, const Results& expected) {
  for (const auto& [name, values] : expected) {
    CAPTURE(name);
    CHECK(same_kind(found.at(name), values));
  }
}
/// Random numbers, some of them replaced: every place of the first 40 has each kind in one of the calls.
[[nodiscard]] std::vector<float> with_strangers(std::size_t count, std::size_t call) {
  std::vector<float> numbers = random_numbers(count, 1);
  constexpr std::array strangers{nan, infinity, -infinity, nan};
  for (std::size_t i = call % 5; i < count; i += 5) numbers[i] = strangers[(i / 5 + call) % strangers.size()];
  return numbers;
}

/// Forward and backward of the one window of a MaxPool<2>: what comes out, and which of its four pixels gets
/// the gradient.
template <class B>
void check_window(const std::vector<float>& window, float maximum, std::size_t winner) {
  CAPTURE(window);
  const Results results = run_pool<B, PoolShape{{1, 2, 2}, PoolKind::maximum, 2, 2, 2, 0}>(1, window);
  CHECK(same_kind(results.at("out"), {maximum}));
  std::vector<float> dx(4);
  dx[winner] = random_numbers(1, 2)[0];
  CHECK(results.at("dx") == dx);
}

template <class B>
void check_maxima() {
  // As PyTorch 2's max_pool2d and its backward: the first of several maxima, the last of several NaNs.
  check_window<B>({nan, 1, 2, 3}, nan, 0);
  check_window<B>({3, nan, 2, 1}, nan, 1);
  check_window<B>({3, 1, nan, 5}, nan, 2);
  check_window<B>({3, 1, infinity, nan}, nan, 3);
  check_window<B>({nan, 1, nan, 3}, nan, 2);
  check_window<B>({nan, nan, nan, infinity}, nan, 2);
  check_window<B>({-infinity, infinity, 1, infinity}, infinity, 1);
  check_window<B>({-infinity, -infinity, -infinity, -infinity}, -infinity, 0);
  check_window<B>({-infinity, -infinity, -3, -infinity}, -3, 2);
}

template <class B, PoolShape S>
void check_pool() {
  for (std::size_t call = 0; call < 20; ++call) {
    const std::vector<float> numbers = with_strangers(3 * S.in.size(), call);
    check_same_kind(run_pool<B, S>(3, numbers), run_pool<Reference, S>(3, numbers));
  }
}

template <class B, ShortcutShape S>
void check_shortcut() {
  for (std::size_t call = 0; call < 5; ++call) {
    const std::vector<float> numbers = with_strangers(3 * S.in.size(), call);
    check_same_kind(run_shortcut<B, S>(3, numbers), run_shortcut<Reference, S>(3, numbers));
  }
}

/// Numbers of every kind, what a ReLU makes of them, and whether their gradient passes: PyTorch's relu and
/// threshold_backward.
const std::vector<float> kinds{nan, infinity, -infinity, 0, -0.0F, 2, -2, -nan};
const std::vector<float> relus{nan, infinity, 0, 0, 0, 2, 0, nan};
const std::vector<float> masks{1, 1, 0, 0, 0, 1, 0, 1};

/// In channel 0 of 2 rows of 4 pixels; channel 1 is ordinary.
constexpr Shape two_rows{2, 2, 4};
[[nodiscard]] std::vector<float> in_first_channel(const std::vector<float>& values, float second) {
  std::vector<float> dense;
  for (const float value : values) dense.insert(dense.end(), {value, second});
  return dense;
}

template <class B>
void check_relu_stages() {
  typename B::Context context(2);
  Packed<B> x(in_first_channel(kinds, 1), 2), finished(8, 2),
      zero(in_first_channel(std::vector<float>(8), 0), 2);
  Packed<B> one(std::vector<float>(2, 1.0F), 2), nought(std::vector<float>(2), 2);
  const Norm<float> norm{
      .mean = nought.data(), .inverse_deviation = one.data(), .scale = one.data(), .shift = nought.data()};
  const Packed<B> dy(in_first_channel(std::vector<float>(8, 1.0F), 1), 2);
  const auto check_source = [&](Source<float> source) {
    source.activated = true;
    source.finished = finished.data();
    B::template finish<two_rows>(context, 1, source, {});
    CHECK(same_kind(finished.dense(), in_first_channel(relus, 1)));
    // whether the backward stage reads the values or computes them again
    for (const bool kept : {true, false}) {
      if (!kept) source.finished = nullptr;
      Packed<B> dx(8, 2), given = dy;
      B::template finish_backward<two_rows>(context, 1, {given.data(), nullptr, nullptr}, source, nullptr,
                                            dx.data(), {});
      CHECK(dx.dense() == in_first_channel(masks, 1));
    }
  };
  check_source({.x = x.data()});
  check_source({.x = x.data(), .norm = &norm});
  check_source({.x = zero.data(), .shortcut = x.data()});
  check_source({.x = x.data(), .norm = &norm, .shortcut = zero.data(), .shortcut_norm = &norm});

  // A convolution of kernel 1 that takes channel 0 to channel 0.
  constexpr ConvShape conv{.in = two_rows, .channels_out = 2, .kernel = 1, .stride = 1, .padding = 0};
  Packed<B> weights({1, 0, 0, 1}, 2), y(8, 2);
  B::template conv_forward<conv>(context, 1, {.x = x.data(), .activated = true}, weights.data(), nullptr,
                                 y.data(), {});
  std::vector<float> found;
  for (std::size_t i = 0; i < 8; ++i) found.push_back(y.data()[i * static_cast<std::size_t>(B::padded(2))]);
  CHECK(same_kind(found, relus));
}

template <class B>
void check_relu_at_inference() {
  using Kernels = typename B::ForInference;
  Packed<B> one(std::vector<float>(2, 1.0F), 2), nought(std::vector<float>(2), 2);
  InferenceTensor<B, two_rows> x(in_first_channel(kinds, 1)), y;
  Kernels::template pointwise<two_rows, Ending{.activated = true}>(1, x.numbers.data(), one.data(),
                                                                   nought.data(), y.numbers.data());
  CHECK(same_kind(y.dense(), in_first_channel(relus, 1)));
  InferenceTensor<B, two_rows> sum(in_first_channel(std::vector<float>(8), 0));
  Kernels::template pointwise<two_rows, Ending{.add = true, .activated_after = true}>(
      1, x.numbers.data(), one.data(), nought.data(), sum.numbers.data());
  CHECK(same_kind(sum.dense(), in_first_channel(relus, 1)));

  constexpr ConvShape conv{.in = two_rows, .channels_out = 2, .kernel = 1, .stride = 1, .padding = 0};
  using Conv = typename Kernels::template Conv<conv>;
  std::vector<float> numbers(Conv::size), work(Conv::work_size + 1);
  Packed<B> weights({1, 0, 0, 1}, 2);
  Conv::prepare(weights.data(), nought.data(), numbers.data());
  Conv::template run<Ending{.activated = true}>(1, x.numbers.data(), numbers.data(), y.numbers.data(),
                                                work.data());
  for (std::size_t i = 0; i < 8; ++i) CHECK(same_kind({y.dense()[2 * i]}, {relus[i]}));

  constexpr Shape row{8, 1, 1};
  std::vector<float> diagonal(64);
  for (std::size_t i = 0; i < 8; ++i) {
    std::vector<float> inputs(8);
    inputs[i] = kinds[i];
    diagonal.assign(64, 0);
    for (std::size_t j = 0; j < 8; ++j) diagonal[j * 8 + i] = 1;  // feature i is the sum
    Packed<B> matrix(diagonal, 8), bias(std::vector<float>(8), 8);
    InferenceTensor<B, row> in(inputs), out;
    Kernels::template linear<LinearShape{row, 8}, true>(1, in.numbers.data(), matrix.data(), bias.data(),
                                                        out.numbers.data());
    CHECK(same_kind({out.dense()[i]}, {relus[i]}));
  }

  constexpr PoolShape pool{{5, 7, 6}, PoolKind::maximum, 3, 3, 2, 1};
  for (std::size_t call = 0; call < 20; ++call) {
    const std::vector<float> image = with_strangers(pool.in.size(), call);
    InferenceTensor<B, pool.in> in(image);
    InferenceTensor<B, pool.out()> out;
    Kernels::template pool<pool>(1, in.numbers.data(), out.numbers.data());
    CHECK(same_kind(out.dense(), run_pool<Reference, pool>(1, image).at("out")));
  }
}

/// One number of image 1 of 3 is a stranger: that image's output has it wherever the reference's has, the
/// others' are the same bits as ever.
template <class B, ConvShape S>
void check_convolution_keeps(float stranger) {
  constexpr std::size_t size = S.out().size();
  const auto run = [&]<class Backend>(std::type_identity<Backend>, float number) {
    std::vector<float> numbers = random_numbers(3 * S.in.size(), 1);
    numbers[S.in.size() + S.in.size() / 2] = number;
    typename Backend::Context context(2);
    Packed<Backend> x(numbers, S.in.channels), y(3 * S.out().pixels(), S.channels_out);
    Packed<Backend> weights(
        random_numbers(static_cast<std::size_t>(S.kernel * S.kernel * S.in.channels * S.channels_out), 2),
        S.channels_out);
    Backend::template conv_forward<S>(context, 3, {.x = x.data()}, weights.data(), nullptr, y.data(), {});
    return y.dense();
  };
  const std::vector<float> expected = run(std::type_identity<Reference>{}, stranger),
                           found = run(std::type_identity<B>{}, stranger),
                           without = run(std::type_identity<B>{}, 0.0F);
  bool kept = true, others = true;
  for (std::size_t i = 0; i < found.size(); ++i) {
    // Winograd's tiles have it in more places
    if (!std::isfinite(expected[i])) kept = kept && !std::isfinite(found[i]);
    if (i / size != 1) others = others && found[i] == without[i];
  }
  CHECK(kept);
  CHECK(others);
}

template <class B, LinearShape S>
void check_linear_keeps(float stranger) {
  const auto features = static_cast<std::size_t>(S.features);
  std::vector<float> numbers = random_numbers(3 * S.in.size(), 1);
  Packed<B> weights(random_numbers(S.in.size() * features, 2), S.features);
  typename B::Context context(2);
  const auto run = [&] {
    Packed<B> x(numbers, S.in.channels), y(3, S.features);
    B::template linear_forward<S>(context, 3, x.data(), weights.data(), nullptr, y.data());
    std::vector<float> dense;
    for (std::size_t n = 0; n < 3; ++n)
      dense.insert(dense.end(), y.data() + n * static_cast<std::size_t>(B::padded(S.features)),
                   y.data() + n * static_cast<std::size_t>(B::padded(S.features)) + features);
    return dense;
  };
  const std::vector<float> without = run();
  numbers[S.in.size() + S.in.size() / 2] = stranger;
  const std::vector<float> found = run();
  for (std::size_t i = 0; i < found.size(); ++i)
    CHECK((i / features == 1 ? !std::isfinite(found[i]) : found[i] == without[i]));
}

template <class B>
void check_loss() {
  constexpr int classes = 5, batch = 3;
  for (const float stranger : {nan, infinity, -infinity})
    for (std::size_t place = 0; place < classes; ++place)
      for (int label = 0; label < classes; ++label) {
        std::vector<float> numbers = random_numbers(classes * batch, 1);
        numbers[classes + place] = stranger;
        const std::vector<int> labels{0, label, 0};
        Packed<B> logits(numbers, classes);
        typename B::Context context(2);
        Reference::Context reference_context(1);
        const LossResult found =
            B::softmax_cross_entropy(context, batch, classes, logits.data(), labels.data(), nullptr);
        const LossResult expected = Reference::softmax_cross_entropy(reference_context, batch, classes,
                                                                     numbers.data(), labels.data(), nullptr);
        CHECK(same_kind({static_cast<float>(found.loss)}, {static_cast<float>(expected.loss)}));
        CHECK(found.errors == expected.errors);
        if (stranger == -infinity && place != static_cast<std::size_t>(label))
          continue;  // a class that is impossible, and is not the image's
        CHECK_FALSE(std::isfinite(found.loss));
        numbers[classes + place] = 0;
        const auto worst = std::max_element(numbers.begin() + classes, numbers.begin() + 2 * classes) -
                           numbers.begin() - classes;
        Packed<B> ordinary(numbers, classes);
        const int without =
            B::softmax_cross_entropy(context, batch, classes, ordinary.data(), labels.data(), nullptr)
                .errors -
            (worst != label);
        // the largest is the label's
        CHECK(found.errors == without + !(stranger == infinity && place == static_cast<std::size_t>(label)));
      }
}

template <class B>
void check_optimizer() {
  const auto factors =
      SGD::factors({.learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true});
  for (std::size_t call = 0; call < 5; ++call) {
    std::vector<float> weights = random_numbers(70, 2), velocity = random_numbers(70, 3),
                       gradient = with_strangers(70, call);
    std::vector<float> expected_weights = weights, expected_velocity = velocity;
    typename B::Context context(1);
    Reference::Context reference_context(1);
    B::template update<SGD>(context, 70, factors, weights.data(), gradient.data(), {velocity.data()});
    Reference::update<SGD>(reference_context, 70, factors, expected_weights.data(), gradient.data(),
                           {expected_velocity.data()});
    check_same_kind({{"weights", weights}, {"velocity", velocity}},
                    {{"weights", expected_weights}, {"velocity", expected_velocity}});
  }
}

template <class B>
void check_all() {
  check_maxima<B>();
  check_relu_stages<B>();
  check_relu_at_inference<B>();
  check_loss<B>();
}

TEST_CASE("the reference keeps what is not a number") { check_all<Reference>(); }
TEST_CASE_TEMPLATE_DEFINE("every backend keeps what is not a number", B, not_numbers) { check_all<B>(); }
TEST_CASE_TEMPLATE_APPLY(not_numbers, Backends);

TEST_CASE_TEMPLATE_DEFINE("pools and shortcuts agree with the reference on NaN and infinities in every place",
                          B, pools_of_strangers) {
  check_pool<B, PoolShape{{5, 6, 5}, PoolKind::maximum, 2, 2, 2, 0}>();
  check_pool<B, PoolShape{{18, 7, 6}, PoolKind::maximum, 3, 3, 2, 1}>();
  check_pool<B, PoolShape{{18, 7, 6}, PoolKind::average, 3, 3, 2, 1}>();
  check_pool<B, PoolShape{{8, 4, 4}, PoolKind::average, 4, 4, 1, 0}>();
  check_shortcut<B, ShortcutShape{{5, 8, 6}, 11, 2, 1}>();
  check_shortcut<B, ShortcutShape{{16, 8, 8}, 32, 2, 2}>();
}
TEST_CASE_TEMPLATE_APPLY(pools_of_strangers, Backends);

TEST_CASE_TEMPLATE_DEFINE(
    "convolutions and linear layers keep what is not a number, and keep it to its image", B,
    convolutions_of_strangers) {
  for (const float stranger : {nan, infinity, -infinity}) {
    check_convolution_keeps<B, ConvShape{.in = {16, 8, 8}, .channels_out = 16}>(stranger);  // Winograd's
    check_convolution_keeps<B, ConvShape{.in = {5, 7, 6}, .channels_out = 16, .stride = 2}>(stranger);
    check_linear_keeps<B, LinearShape{{64, 1, 1}, 10}>(stranger);
    check_linear_keeps<B, LinearShape{{7, 3, 2}, 21, false}>(stranger);
  }
}
TEST_CASE_TEMPLATE_APPLY(convolutions_of_strangers, Backends);

TEST_CASE_TEMPLATE_DEFINE("SGD agrees with the reference on NaN and infinities", B, steps_of_strangers) {
  check_optimizer<B>();
}
TEST_CASE_TEMPLATE_APPLY(steps_of_strangers, Backends);

}  // namespace
}  // namespace sdepth::test::not_finite_test
