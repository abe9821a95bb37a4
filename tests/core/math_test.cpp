// The functions of formulas: the same in a constant expression as when they run, and exact at 0, which
// activations are checked at.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>

#include <sdepth/core/math.hpp>

namespace sdepth::test::math_test {

namespace {

namespace math = sdepth::math;

static_assert(math::exp(0.0) == 1.0 && math::expm1(0.0) == 0.0 && math::log1p(0.0) == 0.0 &&
              math::tanh(0.0) == 0.0);
static_assert(math::erf(0.0) == 0.0 && math::erfc(0.0) == 1.0 && math::exp(0.0F) == 1.0F);
static_assert(math::select(1.0 < 2.0, 3.0, 4.0) == 3.0 && math::constant<float>(0.5) == 0.5F);

constexpr std::array points{-5.0, -2.5, -0.7, -0.01, 0.3, 1.0, 3.5, 6.0};
template <class F>
[[nodiscard]] constexpr std::array<double, points.size()> table(const F& f) {
  std::array<double, points.size()> values{};
  for (std::size_t i = 0; i < points.size(); ++i) values[i] = f(points[i]);
  return values;
}
constexpr auto exponentials = table([](double x) { return math::exp(x); });
constexpr auto minus_one = table([](double x) { return math::expm1(x); });
constexpr auto logarithms = table([](double x) { return math::log1p(x < 0 ? x / 6 : x); });
constexpr auto tangents = table([](double x) { return math::tanh(x); });
constexpr auto errors = table([](double x) { return math::erf(x); });
constexpr auto complements = table([](double x) { return math::erfc(x); });

TEST_CASE("functions in constant expressions agree with those that run") {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double x = points[i];
    CAPTURE(x);
    CHECK(exponentials[i] == doctest::Approx(math::exp(x)).epsilon(1e-12));
    CHECK(minus_one[i] == doctest::Approx(math::expm1(x)).epsilon(1e-12));
    CHECK(logarithms[i] == doctest::Approx(math::log1p(x < 0 ? x / 6 : x)).epsilon(1e-12));
    CHECK(tangents[i] == doctest::Approx(math::tanh(x)).epsilon(1e-12));
    CHECK(std::abs(errors[i] - math::erf(x)) < 2e-8);  // 1 from 4 on
    CHECK(std::abs(complements[i] - math::erfc(x)) < 2e-8);
    CHECK(math::exp(static_cast<float>(x)) == doctest::Approx(std::exp(x)).epsilon(1e-6));
  }
}

}  // namespace

}  // namespace sdepth::test::math_test
