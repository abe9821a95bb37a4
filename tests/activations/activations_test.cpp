// Values and derivatives of all activations in every kind of number, against PyTorch's in float64; what an
// activation must be.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/activations/gelu.hpp>
#include <sdepth/activations/hardswish.hpp>
#include <sdepth/activations/leaky_relu.hpp>
#include <sdepth/activations/relu.hpp>
#include <sdepth/activations/silu.hpp>
#include <sdepth/io/safetensors.hpp>
#include <sdepth/kernels/cpu/vector.hpp>

#include "mish.hpp"

namespace sdepth::test::activations_test {
namespace {

using of_a_user::Mish;
using Arch = xsimd::default_arch;

/// A function of a number, in double, in float, and in vectors whose lanes have different numbers.
template <class F>
[[nodiscard]] std::vector<double> in_double(const std::vector<float>& x, const F& f) {
  std::vector<double> y;
  for (const float number : x) y.push_back(f(static_cast<double>(number)));
  return y;
}
template <class F>
[[nodiscard]] std::vector<double> in_float(const std::vector<float>& x, const F& f) {
  std::vector<double> y;
  for (const float number : x) y.push_back(static_cast<double>(f(number)));
  return y;
}
template <class F>
[[nodiscard]] std::vector<double> in_vectors(std::vector<float> x, const F& f) {
  constexpr auto lanes = static_cast<std::size_t>(cpu::lanes<Arch>);
  const auto count = static_cast<std::ptrdiff_t>(x.size());
  x.resize((x.size() + lanes - 1) / lanes * lanes);
  for (std::size_t i = 0; i < x.size(); i += lanes) cpu::store<Arch>(&x[i], f(cpu::load<Arch>(&x[i])));
  return {x.begin(), x.begin() + count};
}

/// PyTorch's numbers. The first ones are a grid on [−9, 9], then come the ends of float32.
class Oracle {
 public:
  explicit Oracle(const std::string& activation) {
    const SafeTensors file = read_safetensors(SDEPTH_TESTS_DIR "/oracle/activations.safetensors");
    const auto numbers = [&](const std::string& name) {
      const Tensor* tensor = file.find(name);
      REQUIRE(tensor != nullptr);
      return tensor->values;
    };
    const auto exact = [&](const std::string& name) {
      const std::vector<float> high = numbers(name), low = numbers(name + "_lo");
      std::vector<double> sum(high.begin(), high.end());
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(low[i]);
      return sum;
    };
    x = numbers("x");
    value = exact(activation + ".value");
    derivative = exact(activation + ".derivative");
  }
  std::vector<float> x;
  std::vector<double> value, derivative;
};

/// Each number within absolute + relative · |expected|, infinities and NaN where they are expected.
void check_numbers(const std::vector<float>& x, const std::vector<double>& found,
                   const std::vector<double>& expected, double absolute, double relative) {
  REQUIRE(found.size() == expected.size());
  double worst = 0, worst_relative = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(x[i]);
    CAPTURE(found[i]);
    CAPTURE(expected[i]);
    if (std::isfinite(expected[i])) {
      const double error = std::abs(found[i] - expected[i]);
      CHECK(error <= absolute + relative * std::abs(expected[i]));
      if (std::abs(x[i]) <= 9) worst = std::max(worst, error);
      if (std::abs(x[i]) <= 4 && error > 0)
        worst_relative = std::max(worst_relative, error / std::abs(expected[i]));
    } else {
      CHECK((std::isnan(expected[i]) ? std::isnan(found[i]) : found[i] == expected[i]));
    }
  }
  MESSAGE("largest error ", worst, ", relative on [-4, 4] ", worst_relative);
}

template <class A>
void check_activation(const std::string& name, double float_relative) {
  static_assert(CheckedActivation<A>::said && std::is_empty_v<A>);
  const Oracle oracle(name);
  const auto forward = [](auto x) { return A::forward(x); };
  // From the output: that which the same kind of number gives.
  const auto derivative = [](auto x) {
    if constexpr (A::derivative_from_output)
      return A::derivative(A::forward(x));
    else
      return A::derivative(x);
  };
  // What the gradient of a NaN is does not matter: the value is NaN already.
  Oracle without_nan = oracle;
  without_nan.x.pop_back();
  without_nan.derivative.pop_back();
  constexpr double of_pytorch = 2e-15;  // its GELU in float64 is 1 + erf: absolute digits only
  const auto check = [&](const std::string& kind, const auto& in, double absolute, double relative) {
    CAPTURE(name);
    CAPTURE(kind);
    check_numbers(oracle.x, in(oracle.x, forward), oracle.value, of_pytorch, relative);
    check_numbers(without_nan.x, in(without_nan.x, derivative), without_nan.derivative, absolute, relative);
  };
  check("double", [](const auto& x, const auto& f) { return in_double(x, f); }, 1e-14, 1e-13);
  check("float", [](const auto& x, const auto& f) { return in_float(x, f); }, 1e-6, float_relative);
  check("vectors", [](const auto& x, const auto& f) { return in_vectors(x, f); }, 1e-6, float_relative);
}

TEST_CASE(
    "activations and their derivatives are PyTorch's, at the ends of float32 and where numbers are not finite, too") {
  check_activation<ReLU>("relu", 0);
  check_activation<LeakyReLU<>>("leaky_relu", 1e-7);
  check_activation<Hardswish>("hardswish", 3e-7);
  check_activation<SiLU>("silu", 3e-7);
  check_activation<GELU>("gelu", 1e-5);
  check_activation<Mish>("mish", 1e-6);
}

}  // namespace
}  // namespace sdepth::test::activations_test
