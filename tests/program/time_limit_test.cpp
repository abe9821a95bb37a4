// How long a run may be that must end in time: arithmetic on steps, epochs and what they take.
#include <doctest/doctest.h>

#include <cstdint>

#include <sdepth/program/time_limit.hpp>

namespace sdepth::test::time_limit_test {

using namespace sdepth::program;

namespace {

constexpr RunSpeed speed{.step = 1, .epoch_end = 5};
constexpr int steps = 10;  // of an epoch: 15 s, and 5 s at the end of the run

}  // namespace

TEST_CASE("steps, the ends of epochs and the last evaluation are what a run takes") {
  CHECK(seconds_to(10, 0, steps, speed) == 10 + 5 + 5);
  CHECK(seconds_to(30, 12, steps, speed) == 18 + 2 * 5 + 5);
  CHECK(seconds_to(30, 20, steps, speed) == 10 + 5 + 5);
  CHECK(seconds_to(25, 20, steps, speed) == 5 + 5 + 5);  // ends within an epoch
}

TEST_CASE(
    "a run with time enough stays as it is, and another has as many whole epochs as there is time for") {
  CHECK(length_within(35, {2, 0}, 0, steps, speed) == RunLength{2, 0});
  CHECK(length_within(34.9, {2, 0}, 0, steps, speed) == RunLength{1, 0});
  CHECK(length_within(1e9, {0, 25}, 3, steps, speed) == RunLength{0, 25});
  // 55 steps, 6 ends of epochs and one of the run: 90
  CHECK(length_within(100, {500, 0}, 15, steps, speed) == RunLength{7, 0});
  CHECK(length_within(100, {0, 5000}, 15, steps, speed) == RunLength{0, 75});  // 60, 7, 1
}

TEST_CASE("where there is no time for an epoch a run ends within it, and never before the step it is at") {
  CHECK(length_within(13, {500, 0}, 0, steps, speed) == RunLength{0, 3});
  CHECK(length_within(14, {500, 0}, 12, steps, speed) == RunLength{0, 16});
  CHECK(length_within(2, {500, 0}, 12, steps, speed) == RunLength{0, 12});
  CHECK(length_within(2, {500, 0}, 20, steps, speed) == RunLength{2, 0});
  CHECK(length_within(-1, {500, 0}, 0, steps, speed) == RunLength{0, 1});
  for (std::int64_t done = 0; done < 60; ++done)
    for (int seconds = 0; seconds < 120; ++seconds) {
      const RunLength length = length_within(seconds, {6, 0}, done, steps, speed);
      const std::int64_t total = length.total(steps);
      CHECK(total <= 60);
      CHECK(total >= done);
      CHECK((total <= done + 1 || seconds_to(total, done, steps, speed) <= seconds));
      // Not shorter than need be: another epoch would be too long.
      if (length.epochs > 0 && length.epochs < 6)
        CHECK(seconds_to(total + steps, done, steps, speed) > seconds);
    }
}

TEST_CASE("a run whose time is over ends with the step that it is at, once steps have been measured") {
  TimeLimit over(0.001, 0);
  over.set_spent(100);
  CHECK(over.length_behind_step(1, {500, 0}, 1, steps) == RunLength{500, 0});
  CHECK(over.length_behind_step(1, {500, 0}, 2, steps) == RunLength{500, 0});
  CHECK(over.length_behind_step(1, {500, 0}, 3, steps) == RunLength{0, 3});
  CHECK(over.spent() >= 100);

  TimeLimit plenty(1e9, 0);
  for (int step = 1; step < 20; ++step)
    CHECK(plenty.length_behind_step(1, {500, 0}, step, steps) == RunLength{500, 0});

  // of which 500 are left: 450 for steps of 1 s, and half a step each for 2 batches an epoch
  TimeLimit half(1000, 0);
  half.set_spent(500);
  for (int step = 1; step < 3; ++step)
    CHECK(half.length_behind_step(1, {500, 0}, step, steps) == RunLength{500, 0});
  CHECK(half.length_behind_step(1, {500, 0}, 3, steps).epochs == 45);
}

}  // namespace sdepth::test::time_limit_test
