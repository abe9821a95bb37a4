// Survival over time: schedules that are at work in a part of the run, as types and as the function that they
// are made of.
#include <doctest/doctest.h>

#include <initializer_list>

#include <sdepth/schedule/fixed_gates.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/schedule/schedules.hpp>

namespace sdepth::test::over_time_test {

namespace {

using Decay = LinearDecay<0.5>;

/// One's own: all blocks alike, ever fewer in the run.
struct Sinking {
  static constexpr double survival(int, int) { return 0.5; }
  static constexpr double survival(int, int, double progress) { return 1.0 - 0.5 * progress; }
};
struct WholeNumbersOverTime {
  static constexpr double survival(int, int) { return 0.5; }
  static constexpr int survival(int, int, double) { return 1; }
};

static_assert(SurvivalSchedule<Decay> && SurvivalSchedule<FixedGates<1, 0>> &&
              SurvivalSchedule<Early<Decay, 0.5>>);
static_assert(!SurvivalScheduleOverTime<Decay> && SurvivalScheduleOverTime<Early<Decay, 0.5>> &&
              SurvivalScheduleOverTime<Sinking>);
static_assert(!SurvivalScheduleOverTime<WholeNumbersOverTime> && !SurvivalSchedule<int> &&
              !is_sound_schedule<void>);

}  // namespace

TEST_CASE(
    "early, late and warm-up are at work in their part of the run, whose first moment it is that ends the beginning") {
  using Half = Early<Decay, 0.5>;
  // without a place in the run: where it is at work
  static_assert(Half::survival(3, 4) == Decay::survival(3, 4));
  static_assert(Late<Decay, 0.5>::survival(3, 4) == 0.625 && WarmUp<Decay, 0.5>::survival(3, 4) == 0.625);
  for (const double progress : {0.0, 0.25, 0.4999, 0.5, 0.75, 1.0}) {
    CAPTURE(progress);
    const bool beginning = progress < 0.5;
    CHECK(survival_at<Half>(3, 4, progress) == (beginning ? 0.625 : 1.0));
    CHECK(survival_at<Late<Decay, 0.5>>(3, 4, progress) == (beginning ? 1.0 : 0.625));
    CHECK(survival_at<WarmUp<Decay, 0.5>>(3, 4, progress) ==
          (beginning ? 1.0 - 0.375 * progress / 0.5 : 0.625));
    CHECK(survival_at<Decay>(3, 4, progress) == 0.625);
    CHECK(survival_at<Sinking>(3, 4, progress) == 1.0 - 0.5 * progress);
  }
  // A fraction of the run is the double nearest to it, on both sides: no epoch too many or too few.
  for (int epochs = 1; epochs <= 500; ++epochs)
    for (int percent = 0; percent <= 100; ++percent) {
      int early = 0;
      for (int epoch = 1; epoch <= epochs; ++epoch)
        early += survival_in_phase(SurvivalPhase::early, percent / 100.0, 0.5, (epoch - 1.0) / epochs) < 1;
      const int expected = (percent * epochs + 99) / 100;  // epochs that begin before the fraction is done
      CHECK_MESSAGE(early == expected, percent, " % of ", epochs);
    }
}

TEST_CASE("a part of no length, or the whole run, is what it says") {
  for (const double progress : {0.0, 0.5, 0.999}) {
    CHECK(survival_at<Early<Decay, 0.0>>(4, 4, progress) == 1.0);
    CHECK(survival_at<Late<Decay, 0.0>>(4, 4, progress) == 0.5);
    CHECK(survival_at<WarmUp<Decay, 0.0>>(4, 4, progress) == 0.5);
    CHECK(survival_at<Early<Decay, 1.0>>(4, 4, progress) == 0.5);
    CHECK(survival_at<Late<Decay, 1.0>>(4, 4, progress) == 1.0);
  }
}

TEST_CASE("schedules over time nest") {
  // From 1 down over the first tenth, and no more from the middle on.
  using Nested = Early<WarmUp<Uniform<0.2>, 0.1>, 0.5>;
  static_assert(Nested::survival(1, 1) == 0.2);
  static_assert(Nested::survival(1, 1, 0.0) == 1.0 && Nested::survival(1, 1, 0.1) == 0.2 &&
                Nested::survival(1, 1, 0.5) == 1.0);
  CHECK(Nested::survival(1, 1, 0.05) == doctest::Approx(0.6));
}

TEST_CASE("survival falls from 1 to its value over the epochs of a warm-up") {
  const auto at = [](double survival, int epoch, int epochs) {
    return survival_in_phase(SurvivalPhase::warm_up, epochs, survival, epoch - 1);
  };
  CHECK(at(0.5, 1, 4) == 1.0);
  CHECK(at(0.5, 2, 4) == 0.875);
  CHECK(at(0.5, 3, 4) == 0.75);
  CHECK(at(0.5, 4, 4) == 0.625);
  CHECK(at(0.0, 3, 4) == 0.5);
  CHECK(at(1.0, 3, 4) == 1.0);
  CHECK(at(0.5, 0, 4) == 1.0);  // there is no such epoch, and no probability above 1
  for (const double p : {0.0, 0.1, 1.0 / 3.0, 0.99074, 1.0}) {
    for (int epoch = 1; epoch <= 4; ++epoch) CHECK(at(p, epoch, 4) == 1 - (1 - p) * ((epoch - 1) / 4.0));
    // to the bit: gates after the warm-up are the run's own
    for (const int epoch : {5, 6, 500}) CHECK(at(p, epoch, 4) == p);
    for (const int epoch : {1, 2, 500})
      CHECK(survival_in_phase(SurvivalPhase::constant, 4, p, epoch - 1) == p);
  }
  CHECK(at(0.3, 1, 0) == 0.3);
  CHECK(at(0.3, 1, 1) == 1.0);
  CHECK(at(0.3, 2, 1) == 0.3);
}

}  // namespace sdepth::test::over_time_test
