// What a schedule of survival probabilities is: p_l of each block, and for a schedule that changes in the
// run, p_l at each place of it.
#pragma once

#include <concepts>
#include <type_traits>

#include <sdepth/core/config.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A type that gives survival probabilities: `static constexpr double survival(int l, int L)`, in [0, 1] for
/// each block l = 1 … L, where L counts the StochasticDepth blocks of the network. Whole numbers are no
/// probabilities: they come of a division that was meant to be one of real numbers.
template <class Type>
concept SurvivalSchedule = requires(int l) {
  { Type::survival(l, l) } -> std::floating_point;
};

/// A schedule that changes in the run: `static constexpr double survival(int l, int L, double progress)` as
/// well, where progress is the fraction of the run that is done, from 0 to 1. Its survival(l, L) is the
/// probability where it is at work: the network's tables and figures are made of that.
template <class Type>
concept SurvivalScheduleOverTime = SurvivalSchedule<Type> && requires(int l, double progress) {
  { Type::survival(l, l, progress) } -> std::floating_point;
};

/// SurvivalSchedule for a type that may say, when it is first looked at, that its arguments are wrong:
/// is_empty looks, since clang would take such an error inside the concept for "no schedule".
template <class Type>
inline constexpr bool is_schedule = (std::is_empty_v<Type> || true) && SurvivalSchedule<Type>;

/// The same without such a mistake, which the type has said itself.
template <class Type>
inline constexpr bool is_sound_schedule = [] {
  if constexpr (is_schedule<Type> && requires { Type::sound; })
    return Type::sound;
  else
    return is_schedule<Type>;
}();

/// p_l of a schedule where the fraction `progress` of the run is done. @param l  Block, 1-based.
template <class Schedule>
[[nodiscard]] constexpr double survival_at(int l, int L, double progress) noexcept {
  if constexpr (SurvivalScheduleOverTime<Schedule>)
    return Schedule::survival(l, L, progress);
  else
    return Schedule::survival(l, L);
}

}  // namespace sdepth::inline SDEPTH_ISA
