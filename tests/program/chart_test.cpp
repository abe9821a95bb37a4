#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <sdepth/program/chart.hpp>

#include "../io/scratch_folder.hpp"

namespace sdepth::test::chart_test {

using namespace sdepth::program;

TEST_CASE("text cannot break out of the page") {
  CHECK(escaped("a<b>&\"c\"'d' ü") == "a&lt;b&gt;&amp;&quot;c&quot;&#39;d&#39; ü");
}

TEST_CASE("any values lie between the ends of their axis, whose ticks are few and rise") {
  for (const double lowest :
       {-3e50, -1.0, 0.0, 5e-324, 1e-90, 1e-12, 0.001, 0.0999999, 0.1, 2.3, 54.0, 99.99, 12345.678, 9e99})
    for (const double factor : {1.0, 1.0 + 1e-15, 1.0000001, 1.3, 9.99, 20.0, 1e3, 1e4, 1e9})
      for (const bool from_zero : {false, true})
        for (const bool may_be_log : {false, true}) {
          const double highest = lowest < 0 ? lowest / factor : lowest * factor;
          if (!drawable(highest)) continue;
          const Axis axis = value_axis(lowest, highest, from_zero, may_be_log);
          CAPTURE(lowest);
          CAPTURE(highest);
          CHECK(axis.position(lowest) >= -1e-6);
          CHECK(axis.position(highest) <= 1.0 + 1e-6);
          CHECK(axis.ticks.size() >= 2);
          CHECK(axis.ticks.size() <= 16);
          for (std::size_t i = 1; i < axis.ticks.size(); ++i) CHECK(axis.ticks[i - 1] < axis.ticks[i]);
        }
}

TEST_CASE("ticks are round numbers, and logarithmic only where the range asks for it") {
  CHECK(value_axis(0.3, 71.0, true, true).ticks.front() != 0.0);
  CHECK(value_axis(0.3, 5.9, true, true).ticks == std::vector<double>{0, 1, 2, 3, 4, 5, 6});
  CHECK(value_axis(1.63, 2.4, false, true).low == doctest::Approx(1.6));
  const Axis axis = value_axis(0.009, 0.31, false, true);
  REQUIRE(axis.log);
  const std::vector<double> expected = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5};
  REQUIRE(axis.ticks.size() == expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) CHECK(axis.ticks[i] == doctest::Approx(expected[i]));
  CHECK(value_axis(0.001, 0.1, false, true).ticks.size() == 7);  // ends on round numbers itself
}

TEST_CASE("epochs have whole ticks, for one epoch and for many") {
  CHECK(epoch_axis(1, 1).ticks == std::vector<double>{1});
  CHECK(epoch_axis(1, 3).ticks == std::vector<double>{1, 2, 3});
  CHECK(epoch_axis(1, 500).ticks == std::vector<double>{50, 100, 150, 200, 250, 300, 350, 400, 450, 500});
}

TEST_CASE("a curve stops at values that are none and goes on behind them, single values are dots") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  const Plot plot{epoch_axis(1, 8), value_axis(0.0, 10.0, true, false)};
  const std::string line =
      line_of(plot, {1, 2, 3, 4, 5, 6, 7, 8}, {"loss", "train", {0, 10, nan, 5, inf, 0, 0, 10}});
  CHECK(contains(line, "d='M56.0 256.0L137.7 26.0M301.1 141.0M464.6 256.0L546.3 256.0L628.0 26.0'"));
  CHECK(contains(line, "<circle class='train' cx='301.1' cy='141.0' r='3.5'/>"));
  CHECK_FALSE(contains(line, "nan"));
}

TEST_CASE("a chart without a value says so") {
  CHECK(contains(svg_of(Chart{}), "Nothing to draw yet"));
  Chart chart;
  chart.epochs = {1};
  chart.curves = {{"loss", "train", {std::numeric_limits<double>::quiet_NaN()}}};
  CHECK(contains(svg_of(chart), "Nothing to draw yet"));
}

}  // namespace sdepth::test::chart_test
