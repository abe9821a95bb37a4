// The end of a network and of a step: linear layer, loss, optimizer; on every backend against the reference.
#include "linear_cases.hpp"

#include <sdepth/optimizers/sgd.hpp>

namespace sdepth::test::head_test {
namespace {

template <class B, LinearShape S>
void check_linear() {
  for (const int batch : {1, 10, 37}) {
    check_close(run_linear<B, S>(batch, 2), run_linear<Reference, S>(batch, 1), 5e-6);
    CHECK(run_linear<B, S>(batch, 1) == run_linear<B, S>(batch, 2));
  }
}

TEST_CASE_TEMPLATE_DEFINE("linear layers agree with the reference", B, linear_layers) {
  check_linear<B, LinearShape{{64, 1, 1}, 10}>();
  check_linear<B, LinearShape{{64, 1, 1}, 100, false}>();
  check_linear<B, LinearShape{{7, 3, 2}, 21}>();
  check_linear<B, LinearShape{{16, 2, 2}, 3}>();
}
TEST_CASE_TEMPLATE_APPLY(linear_layers, Backends);

TEST_CASE_TEMPLATE_DEFINE("softmax cross-entropy agrees with the reference, and survives large logits", B,
                          losses) {
  for (const int classes : {2, 10, 100})
    for (const int batch : {1, 10, 33}) {
      std::vector<float> numbers = random_numbers(static_cast<std::size_t>(batch * classes), 1);
      for (float& number : numbers) number *= 100;
      numbers[0] = numbers[1];  // a tie: the first counts
      std::vector<int> labels;
      for (int n = 0; n < batch; ++n) labels.push_back(n * 7 % classes);
      Packed<B> logits(numbers, classes), gradient(static_cast<std::size_t>(batch), classes);
      typename B::Context context(2);
      Reference::Context reference_context(1);
      const LossResult result =
          B::softmax_cross_entropy(context, batch, classes, logits.data(), labels.data(), gradient.data());
      std::vector<float> expected_gradient(numbers.size());
      const LossResult expected = Reference::softmax_cross_entropy(
          reference_context, batch, classes, numbers.data(), labels.data(), expected_gradient.data());
      CHECK(result.loss == doctest::Approx(expected.loss).epsilon(1e-9));
      CHECK(result.errors == expected.errors);
      check_close({{"gradient", gradient.dense()}}, {{"gradient", expected_gradient}}, 1e-6);
      CHECK(B::softmax_cross_entropy(context, batch, classes, logits.data(), labels.data(), nullptr).loss ==
            result.loss);
    }
}
TEST_CASE_TEMPLATE_APPLY(losses, Backends);

TEST_CASE_TEMPLATE_DEFINE("SGD agrees with the reference for every count, with and without gradient", B,
                          steps) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{15}, std::size_t{64}, std::size_t{40001}})
    for (const bool nesterov : {false, true})
      for (const bool has_gradient : {false, true}) {
        const SGD::Options options{
            .learning_rate = 0.3, .momentum = 0.9, .weight_decay = 0.01, .nesterov = nesterov};
        const auto factors = SGD::factors(options);
        std::vector<float> weights = random_numbers(count, 1), velocity = random_numbers(count, 2),
                           gradient = random_numbers(count, 3);
        std::vector<float> expected_weights = weights, expected_velocity = velocity;
        typename B::Context context(2);
        Reference::Context reference_context(1);
        B::template update<SGD>(context, count, factors, weights.data(),
                                has_gradient ? gradient.data() : nullptr, {velocity.data()});
        Reference::update<SGD>(reference_context, count, factors, expected_weights.data(),
                               has_gradient ? gradient.data() : nullptr, {expected_velocity.data()});
        check_close({{"weights", weights}, {"velocity", velocity}},
                    {{"weights", expected_weights}, {"velocity", expected_velocity}}, 1e-6);
      }
}
TEST_CASE_TEMPLATE_APPLY(steps, Backends);

}  // namespace
}  // namespace sdepth::test::head_test
