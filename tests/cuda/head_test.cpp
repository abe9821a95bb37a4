// The end of a network on the device: linear layer and loss, against the reference.
#include <sdepth/kernels/cuda/loss.hpp>

#include "points.hpp"

namespace sdepth::test::head_test {
namespace {

template <class B, LinearShape S>
[[nodiscard]] Results run_linear(int batch, bool dx_wanted = true) {
  const std::size_t pixels = static_cast<std::size_t>(batch) * S.in.pixels();
  const auto features = static_cast<std::size_t>(S.features);
  Packed<B> in(random_numbers(pixels * static_cast<std::size_t>(S.in.channels), 1), S.in.channels);
  Packed<B> weights(random_numbers(S.in.size() * features, 2), S.features),
      bias(random_numbers(features, 3), S.features);
  Packed<B> dy(random_numbers(static_cast<std::size_t>(batch) * features, 4), S.features);
  Packed<B> out(static_cast<std::size_t>(batch), S.features), dx(pixels, S.in.channels),
      weight_gradient(S.in.size(), S.features), bias_gradient(1, S.features);
  typename B::Context context(1);
  B::template linear_forward<S>(context, batch, in.data(), weights.data(), S.bias ? bias.data() : nullptr,
                                out.data());
  B::template linear_backward<S>(context, batch, dy.data(), in.data(), weights.data(), weight_gradient.data(),
                                 S.bias ? bias_gradient.data() : nullptr, dx_wanted ? dx.data() : nullptr);
  Results results{{"out", out.dense()}, {"weight gradient", weight_gradient.dense()}};
  if (dx_wanted) results["dx"] = dx.dense();
  if (S.bias) results["bias gradient"] = bias_gradient.dense();
  return results;
}

template <LinearShape S>
void check_linear() {
  for (const int batch : {1, 10, 37}) {
    const Results results = run_linear<CudaPoints, S>(batch);
    check_close(results, run_linear<Reference, S>(batch), 5e-6);
    CHECK(results == run_linear<CudaPoints, S>(batch));
    const Results without_dx = run_linear<CudaPoints, S>(batch, false);
    for (const auto& [name, numbers] : without_dx) CHECK(numbers == results.at(name));
  }
}

TEST_CASE("cuda: linear layers agree with the reference") {
  check_linear<LinearShape{{64, 1, 1}, 10}>();
  check_linear<LinearShape{{64, 1, 1}, 50, false}>();
  check_linear<LinearShape{{7, 3, 2}, 21}>();
  check_linear<LinearShape{{16, 2, 2}, 3}>();
  check_linear<LinearShape{{1, 1, 1}, 1}>();
  // All three products over 3 tiles: only then is a tile overwritten that slow threads may still read.
  constexpr LinearShape deep{{70, 1, 1}, 66};
  check_close(run_linear<CudaPoints, deep>(70), run_linear<Reference, deep>(70), 5e-6);
}

/// The loss on the device with all that it leaves there.
struct Losses {
  cuda::DeviceLoss loss;
  unsigned failed;
  std::vector<float> gradient;
};
[[nodiscard]] Losses run_loss(const std::vector<float>& numbers, int classes, const std::vector<int>& labels,
                              unsigned failed, bool gradient_wanted, bool flag_wanted = true) {
  const int batch = static_cast<int>(labels.size());
  Packed<CudaPoints> logits(numbers, classes), gradient(labels.size(), classes);
  std::vector<cuda::DeviceLoss> loss(1);  // kernels do not reach the stack
  std::vector<unsigned> flag{failed};
  cuda::Context context;
  for (int again = 0; again < 2; ++again) {  // a launch leaves nothing behind that the next would trip over
    loss[0] = {-1, -1};
    cuda::softmax_cross_entropy(context, batch, classes, logits.data(), labels.data(),
                                gradient_wanted ? gradient.data() : nullptr, loss.data(),
                                flag_wanted ? flag.data() : nullptr);
    context.synchronize();
  }
  return {loss[0], flag[0], gradient_wanted ? gradient.dense() : std::vector<float>{}};
}

TEST_CASE("cuda: softmax cross-entropy agrees with the reference, and survives large logits") {
  for (const int classes : {2, 10, 100})
    for (const int batch : {1, 10, 33}) {
      std::vector<float> numbers = random_numbers(static_cast<std::size_t>(batch * classes), 1);
      for (float& number : numbers) number *= 100;
      numbers[0] = numbers[1] = 1000;  // a tie: the first counts
      std::vector<int> labels;
      for (int n = 0; n < batch; ++n) labels.push_back(n * 7 % classes);
      std::vector<float> expected_gradient(numbers.size());
      const LossResult expected = reference::softmax_cross_entropy<float>(
          batch, classes, numbers.data(), labels.data(), expected_gradient.data());
      const Losses found = run_loss(numbers, classes, labels, 0, true);
      CHECK(found.loss.loss == doctest::Approx(expected.loss).epsilon(1e-9));
      CHECK(found.loss.errors == expected.errors);
      CHECK(found.failed == 0);
      check_close({{"gradient", found.gradient}}, {{"gradient", expected_gradient}}, 1e-6);
      const Losses again = run_loss(numbers, classes, labels, 7, false);
      CHECK(std::isnan(again.loss.loss));  // of a step that will change nothing
      CHECK(again.loss.errors == found.loss.errors);
      CHECK(again.failed == 7);  // never set back
      CHECK(run_loss(numbers, classes, labels, 0, false, false).loss.loss == found.loss.loss);
      labels[0] = 1;
      CHECK(run_loss(numbers, classes, labels, 0, false).loss.errors ==
            reference::softmax_cross_entropy<float>(batch, classes, numbers.data(), labels.data(), nullptr)
                .errors);
    }
}

TEST_CASE("cuda: of several largest logits the first counts, wherever they are") {
  for (const auto& [first, second] :
       {std::pair{0, 1}, std::pair{3, 5}, std::pair{4, 36}, std::pair{37, 70}, std::pair{8, 31}}) {
    std::vector<float> numbers(80, -1.0F);
    numbers[static_cast<std::size_t>(first)] = numbers[static_cast<std::size_t>(second)] = 2.0F;
    CHECK(run_loss(numbers, 80, {first}, 0, false).loss.errors == 0);
    CHECK(run_loss(numbers, 80, {second}, 0, false).loss.errors == 1);
  }
}

TEST_CASE("cuda: an image with a logit that is NaN is an error, wherever the NaN and the label are") {
  constexpr int classes = 70;  // more than a warp's threads: three lanes' worth of some
  for (const int where : {0, 1, 31, 32, 45, 69})
    for (const int label : {0, 1, 31, 32, 45, 69}) {
      std::vector<float> numbers(2 * classes, 0.0F);
      numbers[static_cast<std::size_t>(label)] = 9;  // would be right
      numbers[classes] = 1;                          // the second image is right
      numbers[static_cast<std::size_t>(where)] = std::numeric_limits<float>::quiet_NaN();
      const Losses found = run_loss(numbers, classes, {label, 0}, 0, true);
      CHECK(found.loss.errors == 1);
      CHECK(std::isnan(found.loss.loss));
      CHECK(found.failed == 1);
    }
}

TEST_CASE("cuda: a loss that is no number raises the flag") {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()})
    for (const std::size_t where : {0U, 43U}) {
      std::vector<float> numbers = random_numbers(50, 1);
      numbers[where] = bad;
      CHECK(run_loss(numbers, 10, {0, 1, 2, 3, 3}, 0, true).failed == 1);
    }
  // Where nobody wants the flag (a test, not a step) nothing is written in its place.
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    std::vector<float> numbers = random_numbers(50, 1);
    numbers[7] = bad;
    const Losses found = run_loss(numbers, 10, {0, 1, 2, 3, 3}, 0, false, false);
    CHECK_FALSE(std::isfinite(found.loss.loss));
    CHECK(found.failed == 0);
  }
  std::vector<float> all_but_one(10, -std::numeric_limits<float>::infinity());
  all_but_one[4] = 1;
  CHECK(run_loss(all_but_one, 10, {4}, 0, false).failed == 0);
}

}  // namespace
}  // namespace sdepth::test::head_test
