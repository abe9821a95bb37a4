// What a run's options say about its epochs.
#include <doctest/doctest.h>

#include <array>
#include <vector>

#include <sdepth/train/options.hpp>

using namespace sdepth;

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
