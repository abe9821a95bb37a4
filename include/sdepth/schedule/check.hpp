// What is wrong with a schedule's arguments, as one compile error with a sentence.
#pragma once

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

enum class ScheduleError { none, linear_decay, uniform, fixed_gates, over_time_schedule, over_time_fraction };

/// Says what is wrong, in a class of its own; see CheckedWord.
template <ScheduleError Error>
struct CheckedSchedule {
  static constexpr bool said = true;
  static_assert(Error != ScheduleError::linear_decay,
                "LinearDecay<p_L>: the survival probability of the last block must lie in [0, 1]");
  static_assert(Error != ScheduleError::uniform, "Uniform<p>: the survival probability must lie in [0, 1]");
  static_assert(Error != ScheduleError::fixed_gates,
                "FixedGates<b_1, ..., b_L>: every gate must be 0 (closed) or 1 (open)");
  static_assert(
      Error != ScheduleError::over_time_schedule,
      "Early<Schedule, E>, Late<Schedule, E>, WarmUp<Schedule, E>: the first argument must be a schedule, such as LinearDecay<0.5>");
  static_assert(
      Error != ScheduleError::over_time_fraction,
      "Early<Schedule, E>, Late<Schedule, E>, WarmUp<Schedule, E>: E must be a fraction of the run, from 0 to 1");
};

}  // namespace sdepth::inline SDEPTH_ISA
