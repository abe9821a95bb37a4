// The numbers that networks begin with: their distributions, and of what they are a function.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <sdepth/kernels/reference/reference.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/train/initialise.hpp>

namespace sdepth::test::initialise_test {

namespace {

using Net = Network<Input<3, 8, 8>, Conv<96, 3, 1, Bias::learned>, BN, ReLU, Conv<64, 1>, BN, GlobalAvgPool,
                    Linear<80>>;

/// The numbers of tensor `name`.
std::vector<double> drawn(const char* name, std::uint64_t seed = 1, GammaInit gamma = GammaInit::one) {
  Weights<Net, ReferenceDouble> weights;
  initialise(weights, seed, gamma);
  const ParameterInfo& tensor = weights.find(name);
  const double* numbers = weights.parameters().data() + tensor.offset;
  return {numbers, numbers + tensor.size};
}

double mean(const std::vector<double>& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += number;
  return sum / static_cast<double>(numbers.size());
}
double deviation(const std::vector<double>& numbers) {
  double sum = 0;
  for (const double number : numbers) sum += std::pow(number - mean(numbers), 2);
  return std::sqrt(sum / static_cast<double>(numbers.size()));
}

}  // namespace

TEST_CASE("convolutions begin with He's normal distribution, by what a number of their output is a sum of") {
  const std::vector<double> wide = drawn("conv1.weight"), point = drawn("conv2.weight");
  REQUIRE(wide.size() == 96 * 27);
  REQUIRE(point.size() == 64 * 96);
  CHECK(deviation(wide) == doctest::Approx(std::sqrt(2.0 / 27)).epsilon(0.05));
  CHECK(deviation(point) == doctest::Approx(std::sqrt(2.0 / 96)).epsilon(0.05));
  CHECK(std::abs(mean(wide)) < 0.02);
  for (const double bias : drawn("conv1.bias")) CHECK(bias == 0);
}

TEST_CASE("linear layers begin uniform, up to the root of their inputs") {
  const double bound = 1 / std::sqrt(64.0);
  for (const char* name : {"fc.weight", "fc.bias"}) {
    CAPTURE(name);
    const std::vector<double> numbers = drawn(name);
    const auto [least, most] = std::minmax_element(numbers.begin(), numbers.end());
    CHECK(*least >= -bound);
    CHECK(*most <= bound);
    CHECK(*least < -0.9 * bound);
    CHECK(*most > 0.9 * bound);
  }
  CHECK(deviation(drawn("fc.weight")) == doctest::Approx(bound / std::sqrt(3.0)).epsilon(0.05));
}

TEST_CASE("norms begin with 1 or uniform, and another seed gives other numbers") {
  for (const double gamma : drawn("bn1.weight")) CHECK(gamma == 1);
  for (const double beta : drawn("bn1.bias")) CHECK(beta == 0);
  const std::vector<double> uniform_gamma = drawn("bn1.weight", 1, GammaInit::uniform);
  CHECK(mean(uniform_gamma) == doctest::Approx(0.5).epsilon(0.2));
  CHECK(drawn("fc.weight", 1) == drawn("fc.weight", 1));
  CHECK(drawn("fc.weight", 2) != drawn("fc.weight", 1));
}

}  // namespace sdepth::test::initialise_test
