// The survival table of a network at a place in the run, for schedules that change in it.
#pragma once

#include <cstddef>
#include <type_traits>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/network.hpp>
#include <sdepth/schedule/survival_schedule.hpp>

namespace sdepth::inline SDEPTH_ISA {

namespace detail {

/// Calls visit(l, type_identity<Schedule>) for each residual block of a network; l counts StochasticDepth
/// blocks from 1, and is 0, with Schedule = void, for a block outside StochasticDepth.
template <class Input, class... Words, class Visit>
constexpr void for_each_schedule(std::type_identity<Network<Input, Words...>>, const Visit& visit) {
  int l = 0;
  const auto visit_word = [&]<class Word>(std::type_identity<Word>) {
    using Schedule = typename BlockTraits<Word>::Schedule;
    for (int i = 0; i < BlockTraits<Word>::count; ++i)
      visit(std::is_void_v<Schedule> ? 0 : ++l, std::type_identity<Schedule>{});
  };
  (visit_word(std::type_identity<Words>{}), ...);
}

}  // namespace detail

/// Survival probability of each residual block where the fraction `progress` of the run is done:
/// Net::survival, but for schedules that change in the run. The table of an epoch is that of the place where
/// it begins:
///
///     for (int epoch = 1; epoch <= epochs; ++epoch) {
///       trainer.set_survival(survival_at<Net>((epoch - 1.0) / epochs));
///       …
///     }
///
/// Throws Error unless progress is a number from 0 to 1.
template <class Net>
[[nodiscard]] std::vector<double> survival_at(double progress) {
  if (!(0.0 <= progress && progress <= 1.0))
    fail("survival at ", progress, " of the run: expected the fraction of it that is done, from 0 to 1");
  std::vector<double> table;
  table.reserve(static_cast<std::size_t>(Net::residual_blocks));
  detail::for_each_schedule(std::type_identity<typename Net::Type>{},
                            [&]<class Schedule>(int l, std::type_identity<Schedule>) {
                              if constexpr (std::is_void_v<Schedule>)
                                table.push_back(1.0);
                              else
                                table.push_back(survival_at<Schedule>(l, Net::stochastic_blocks, progress));
                            });
  return table;
}

}  // namespace sdepth::inline SDEPTH_ISA
