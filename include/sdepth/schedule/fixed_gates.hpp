// Gates that are compile-time constants: a network with some of its blocks taken out for ever, at no cost.
#pragma once

#include <array>
#include <cstddef>

#include <sdepth/schedule/check.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Every gate known to the compiler: b_l = Gates[l], l = 1 … L over all StochasticDepth blocks of the
/// network, those of other schedules included.
///
///     StochasticDepth<Block, FixedGates<1, 0, 1>>   // the second of the network's three blocks never runs
///
/// A closed block leaves no instruction in training and evaluation (of one that changes the shape, the
/// shortcut's remain), an open one no test of its gate; Inference neither stores nor runs it. Weights and
/// files keep the closed blocks' numbers; the optimizer treats them as those of any skipped block.
///
/// @tparam Gates  1 open, 0 closed, one for each StochasticDepth block of the network; otherwise: a compile
///                error that says so.
template <int... Gates>
struct FixedGates {
  static constexpr bool sound = ((Gates == 0 || Gates == 1) && ...);
  static_assert(CheckedSchedule < sound ? ScheduleError::none : ScheduleError::fixed_gates > ::said);

  static constexpr int count = sizeof...(Gates);

  /// @param l  Block, 1-based.   @return  Whether it runs; false for a block without a gate, which Network
  ///           refuses.
  [[nodiscard]] static constexpr bool open(int l) noexcept {
    constexpr std::array<bool, sizeof...(Gates)> gates{Gates != 0 ...};
    return 1 <= l && l <= count && gates[static_cast<std::size_t>(l - 1)];
  }
  /// 1 or 0, so that everything that draws gates draws these.
  [[nodiscard]] static constexpr double survival(int l, int) noexcept { return open(l) ? 1.0 : 0.0; }
};

template <class Schedule>
inline constexpr bool is_fixed_gates = false;
template <int... Gates>
inline constexpr bool is_fixed_gates<FixedGates<Gates...>> = true;

}  // namespace sdepth::inline SDEPTH_ISA
