// How a network was trained with stochastic depth, as options of programs that use its weights.
#pragma once

#include <sdepth/program/choices.hpp>
#include <sdepth/program/cli11.hpp>
#include <sdepth/program/command_line.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// @param o  has schedule, survival and scaling, which stay as they are where nothing is given
template <class AnyOptions>
void add_survival_options(CLI::App& app, AnyOptions& o) {
  app.add_option("--schedule", o.schedule, "survival probabilities in training")
      ->check(CLI::IsMember(schedule_names));
  app.add_option("--survival", o.survival, "of the last block (linear) or of each (uniform)")
      ->transform(finite_number(0, 1));
  app.add_option("--scaling", o.scaling,
                 "test: branches are multiplied by p now; train: they were divided by p in training")
      ->check(CLI::IsMember(scaling_names));
}

}  // namespace sdepth::inline SDEPTH_ISA::program
