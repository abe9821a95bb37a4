// Survival probabilities p_l as a function of the block. A schedule of one's own is a type with this one
// function; see SurvivalSchedule.
#pragma once

#include <sdepth/schedule/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Survival probability falling linearly from 1 at the input to p_L at the last block.
///
///     p_l = 1 − (l / L)(1 − p_L),   l = 1 … L
///
/// Source: Huang et al., "Deep Networks with Stochastic Depth", ECCV 2016, eq. 4.
/// With p_L = 0.5, the paper's recommendation, (3L − 1)/4 blocks survive on average.
///
/// @tparam LastSurvival  p_L, dimensionless, in [0, 1]; outside: a compile error that says so.
template <double LastSurvival>
struct LinearDecay {
  static constexpr bool sound = 0.0 <= LastSurvival && LastSurvival <= 1.0;
  static_assert(CheckedSchedule < sound ? ScheduleError::none : ScheduleError::linear_decay > ::said);

  /// @param l  Block, 1-based.   @param L  Number of StochasticDepth blocks in the network.
  [[nodiscard]] static constexpr double survival(int l, int L) noexcept {
    return 1.0 - (static_cast<double>(l) / L) * (1.0 - LastSurvival);
  }
};

/// The same survival probability for every block: p_l = p.
///
/// @tparam Survival  p, dimensionless, in [0, 1]; outside: a compile error that says so.
template <double Survival>
struct Uniform {
  static constexpr bool sound = 0.0 <= Survival && Survival <= 1.0;
  static_assert(CheckedSchedule < sound ? ScheduleError::none : ScheduleError::uniform > ::said);

  [[nodiscard]] static constexpr double survival(int, int) noexcept { return Survival; }
};

}  // namespace sdepth::inline SDEPTH_ISA
