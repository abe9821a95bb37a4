// What a run's options say about its epochs.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include <sdepth/train/options.hpp>

using namespace sdepth;

TEST_CASE("a fraction of a run with up to six decimals is what it looks like, whatever the double nearest to it is") {
  CHECK(0.28 * 25 > 7);  // in doubles, so a drop there would be an epoch late
  CHECK(reached(7, 0.28, 25));
  CHECK_FALSE(reached(6, 0.28, 25));
  // The rule done ≥ fraction · length, in whole numbers.
  for (std::int64_t millionths = 1; millionths <= 1'000'000; millionths += millionths < 1000 ? 1 : 997)
    for (const std::int64_t length : {1, 3, 7, 25, 300, 500, 999, 1'000'000, 2'147'483'647}) {
      const double fraction = static_cast<double>(millionths) / 1e6;
      const std::int64_t first = (millionths * length + 999'999) / 1'000'000;
      const bool right = reached(static_cast<double>(first), fraction, static_cast<double>(length)) &&
                         !reached(static_cast<double>(first - 1), fraction, static_cast<double>(length));
      CHECK_MESSAGE(right, millionths, " millionths of ", length);
    }
  CHECK_FALSE(reached(1, 1.0 / 3 + 1e-9, 3));  // of more decimals: the double itself
  CHECK(reached(1, 1.0 / 3 - 1e-9, 3));
  for (const double none : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    CHECK_FALSE(reached(9, none, 9));
}

TEST_CASE("the learning rate falls in the first epoch of a drop") {
  const LearningRate rate{.base = 1, .drops = {0.28, 0.57}, .factor = 0.5};
  for (int epoch = 1; epoch <= 100; ++epoch) CHECK(rate.at(epoch, 100) == (epoch < 28 ? 1 : epoch < 57 ? 0.5 : 0.25));
  CHECK(rate.at(6, 25) == 1);
  CHECK(rate.at(7, 25) == 0.5);
}

TEST_CASE("survival falls from 1 to its value over the epochs of its warm-up") {
  constexpr SurvivalWarmUp warm_up{4};
  static_assert(warm_up.at(0.5, 1) == 1.0);
  static_assert(warm_up.at(0.5, 2) == 0.875);
  static_assert(warm_up.at(0.5, 3) == 0.75);
  static_assert(warm_up.at(0.5, 4) == 0.625);
  static_assert(warm_up.at(0.5, 5) == 0.5);
  static_assert(warm_up.at(0.0, 3) == 0.5);
  static_assert(warm_up.at(1.0, 3) == 1.0);
  for (const double p : {0.0, 0.1, 1.0 / 3.0, 0.99074, 1.0}) {
    for (int epoch = 1; epoch <= 4; ++epoch) CHECK(warm_up.at(p, epoch) == doctest::Approx(1 - (1 - p) * (epoch - 1) / 4.0));
    for (const int epoch : {5, 6, 500}) CHECK(warm_up.at(p, epoch) == p);  // to the bit: gates after the warm-up are the run's own
  }
  static_assert(SurvivalWarmUp{}.at(0.3, 1) == 0.3);
  static_assert(SurvivalWarmUp{1}.at(0.3, 1) == 1.0 && SurvivalWarmUp{1}.at(0.3, 2) == 0.3);
  const std::array<double, 2> table = {0.9, 0.5};
  CHECK(warm_up.at(table, 3) == std::vector<double>{warm_up.at(0.9, 3), 0.75});
}
