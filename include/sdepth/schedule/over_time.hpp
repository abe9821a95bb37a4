// Survival over time: schedules that are at work in a part of the run only. Wrap any schedule:
// StochasticDepth<Block, Early<LinearDecay<0.5>, 0.5>>.
#pragma once

#include <sdepth/schedule/check.hpp>
#include <sdepth/schedule/survival_schedule.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// In which part of a run blocks are skipped.
enum class SurvivalPhase {
  constant,  // in all of it
  early,     // in its beginning, and then no more
  late,      // not in its beginning
  warm_up,   // ever more in its beginning, and then as the schedule says
};

/// What becomes of a survival probability p in a run whose beginning is `length` long and of which `done` is
/// over, both in one unit: fractions of the run, epochs or steps.
///
///     early     p while done < length, then 1
///     late      1 while done < length, then p
///     warm_up   1 − (1 − p) · done / length while done < length, then p
///
/// Whatever has no length changes nothing but early, which never is.
[[nodiscard]] constexpr double survival_in_phase(SurvivalPhase phase, double length, double survival,
                                                 double done) noexcept {
  const bool beginning = done < length;
  if (phase == SurvivalPhase::early) return beginning ? survival : 1.0;
  if (!beginning || phase == SurvivalPhase::constant) return survival;
  if (phase == SurvivalPhase::late || done <= 0) return 1.0;
  return 1.0 - (1.0 - survival) * (done / length);
}

/// What Early, Late and WarmUp have in common.
template <class Schedule, SurvivalPhase Phase, double Fraction>
struct ScheduleInPhase {
  static constexpr bool has_fraction = 0.0 <= Fraction && Fraction <= 1.0;
  static constexpr bool sound = has_fraction && is_sound_schedule<Schedule>;
  static_assert(CheckedSchedule < !is_schedule<Schedule> ? ScheduleError::over_time_schedule
                : !has_fraction                          ? ScheduleError::over_time_fraction
                                                         : ScheduleError::none > ::said);

  /// p_l where blocks are skipped, whenever that is.
  [[nodiscard]] static constexpr double survival(int l, int L) noexcept { return Schedule::survival(l, L); }
  /// p_l where the fraction `progress` of the run is done.
  [[nodiscard]] static constexpr double survival(int l, int L, double progress) noexcept {
    return survival_in_phase(Phase, Fraction, survival_at<Schedule>(l, L, progress), progress);
  }
};

/// Stochastic depth in the first E of the run only; afterwards every block survives.
///
/// It helps networks that underfit, which lose by stochastic depth in the whole run. At test a branch is
/// scaled by the probability of the epoch trained last, here 1: give Trainer::set_survival the table of each
/// epoch, see survival_at, and an Inference the trainer's last one. Source: Liu et al., "Dropout Reduces
/// Underfitting", ICML 2023, early stochastic depth.
///
/// @tparam Schedule  What is at work in that part; a schedule over time, too.
/// @tparam E         A fraction of the run in [0, 1]; outside: a compile error that says so.
template <class Schedule, double E>
struct Early : ScheduleInPhase<Schedule, SurvivalPhase::early, E> {};

/// Every block survives in the first E of the run; then stochastic depth begins. Source: Liu et al., "Dropout
/// Reduces Underfitting", ICML 2023, late stochastic depth, for networks that overfit.
template <class Schedule, double E>
struct Late : ScheduleInPhase<Schedule, SurvivalPhase::late, E> {};

/// Survival probabilities that begin at 1, the network of constant depth, and fall linearly to their values
/// over the first E of the run.
template <class Schedule, double E>
struct WarmUp : ScheduleInPhase<Schedule, SurvivalPhase::warm_up, E> {};

}  // namespace sdepth::inline SDEPTH_ISA
