// Losses against PyTorch's numbers, on every backend of the host, and what is said of targets that do not
// fit.
#include "loss_checks.hpp"

#include <sdepth/kernels/cpu/cpu.hpp>
#include <sdepth/kernels/reference/reference.hpp>

namespace sdepth::test::losses_test {

TEST_CASE("losses: PyTorch's numbers on the CPU") { loss_checks::check_all<Cpu<>>(); }
TEST_CASE("… on the reference") { loss_checks::check_all<Reference>(); }
TEST_CASE("… in double") { loss_checks::check_all<ReferenceDouble>(); }

TEST_CASE("targets and options that do not fit are refused by a sentence") {
  const float nan = std::numeric_limits<float>::quiet_NaN(),
              infinity = std::numeric_limits<float>::infinity();
  const auto refusal = [](const auto& check) {
    try {
      check();
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::vector<float> good{0.5F, 0.5F, 0, 1};
  CHECK(refusal([&] { CrossEntropy::check(Probabilities{good}, 2, 2); }).empty());
  CHECK(refusal([&] { CrossEntropy::check(Probabilities{good}, 2, 3); }) ==
        "probabilities: expected 3 for each of 2 images, 6 together, found 4");
  for (const float bad : {-0.25F, nan, infinity}) {
    std::vector<float> numbers = good;
    numbers[3] = bad;
    CHECK(refusal([&] {
            CrossEntropy::check(Probabilities{numbers}, 2, 2);
          }).starts_with("probabilities: image 1 has "));
    CHECK(refusal([&] {
            MeanSquaredError::check(numbers, 2, 2);
          }).starts_with(bad < 0 && bad > -1 ? "" : "targets: image 1 has "));
  }
  CHECK(refusal([&] { CrossEntropy::check(std::vector<int>{0, 2}, 2, 2); }) ==
        "labels: image 1 has label 2, expected a number from 0 to 1");
  CHECK(refusal([&] { CrossEntropy::check(std::vector<int>{0}, 2, 2); }) ==
        "labels: expected one for each of 2 images, found 1");
  CHECK(refusal([&] { MeanSquaredError::check(good, 2, 3); }) ==
        "targets: MeanSquaredError expects 3 numbers for each of 2 images, 6 together, found 4");
  for (const double bad : {-0.1, 1.1, static_cast<double>(nan)})
    CHECK(refusal([&] {
            CrossEntropy::check(CrossEntropy::Options{bad});
          }).starts_with("options: label_smoothing is "));
}

}  // namespace sdepth::test::losses_test
