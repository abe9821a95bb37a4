// What changes in the course of a run: learning rate and survival probabilities.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include <sdepth/io/text.hpp>
#include <sdepth/program/options.hpp>
#include <sdepth/schedule/over_time.hpp>
#include <sdepth/train/learning_rate.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// The learning rate of each step.
class LearningRatePlan {
 public:
  LearningRatePlan(const Options& options, int steps_per_epoch);
  /// @param step  of the run, 0-based   @param epoch  1-based
  ///
  /// Cosine and one-cycle go on with every step. Steps fall, with --epochs E, at a drop d in the first epoch
  /// e ≥ d·E, as the authors' program counts, but never in epoch 1; with --steps N from step d·N on. Both as
  /// exactly as reached says. A drop at 1 never takes effect. The first --warm-up epochs run at a tenth of
  /// the rate, or rise to it from there with every step.
  [[nodiscard]] double at(std::uint64_t step, int epoch) const;

 private:
  [[nodiscard]] double after_warm_up(std::uint64_t step, int epoch) const;

  std::variant<ConstantRate, StepDecay, CosineAnnealing, OneCycle> schedule_;
  LinearWarmUp<ConstantRate> rising_;  // a factor of the rate
  double constant_warm_up_ = 0;        // rate
  int warm_up_epochs_ = 0;             // at that rate
  int epochs_;                         // 0: the run is counted in steps
  std::int64_t steps_;
};

/// The survival probabilities of each epoch.
class SurvivalPlan {
 public:
  SurvivalPlan(const Options& options, int steps_per_epoch);

  /// Those of an epoch, 1-based, are those of the place in the run where it begins. @param survival  p_l
  /// where the schedule is at work
  [[nodiscard]] std::vector<double> at(std::span<const double> survival, int epoch) const;
  /// When blocks are skipped, to stand behind the name of the schedule: " after a warm-up of 3 epochs".
  /// Empty: always.
  [[nodiscard]] std::string text() const;

 private:
  SurvivalPhase phase_ = SurvivalPhase::constant;
  double length_ = 0;  // of the run's beginning
  double steps_ = 0;   // of the run, of which length_ is a fraction; 0: length_ counts epochs
  double steps_per_epoch_ = 0;
};

inline LearningRatePlan::LearningRatePlan(const Options& options, int steps_per_epoch)
    : epochs_(options.epochs),
      steps_(options.steps > 0 ? options.steps : std::int64_t{options.epochs} * steps_per_epoch) {
  constexpr double tenth = 0.1;
  const double rate = options.learning_rate;
  if (options.learning_rate_schedule == "constant") schedule_ = ConstantRate{rate};
  if (options.learning_rate_schedule == "cosine") schedule_ = CosineAnnealing{.base = rate};
  if (options.learning_rate_schedule == "one-cycle") schedule_ = OneCycle{.max_lr = rate};
  if (options.learning_rate_schedule == "steps") {
    StepDecay steps{.base = rate, .drops = {}};
    for (const double drop : drops_of(options.drops, any_drop))
      if (drop < 1) steps.drops.push_back(drop);
    schedule_ = steps;
  }
  const bool rising = options.warm_up_shape == "linear";
  rising_ = {{1.0}, rising ? static_cast<double>(options.warm_up) * steps_per_epoch : 0.0, tenth};
  constant_warm_up_ = tenth * rate;
  warm_up_epochs_ = rising ? 0 : options.warm_up;
}

inline double LearningRatePlan::after_warm_up(std::uint64_t step, int epoch) const {
  const auto steps_made = static_cast<std::int64_t>(step);
  return std::visit(
      [&]<class Schedule>(const Schedule& schedule) {
        if constexpr (!std::is_same_v<Schedule, StepDecay>)
          return schedule.at(steps_made + 1, steps_);
        else if (epochs_ > 0)
          return epoch == 1 ? schedule.base : schedule.at(epoch, epochs_);
        else
          return steps_made == 0 ? schedule.base : schedule.at(steps_made, steps_);
      },
      schedule_);
}

inline double LearningRatePlan::at(std::uint64_t step, int epoch) const {
  if (epoch <= warm_up_epochs_) return constant_warm_up_;
  return after_warm_up(step, epoch) * rising_.at(static_cast<std::int64_t>(step) + 1, steps_);
}

inline SurvivalPlan::SurvivalPlan(const Options& options, int steps_per_epoch) {
  if (options.survival_warm_up > 0) {
    phase_ = SurvivalPhase::warm_up;
    length_ = options.survival_warm_up;
    return;
  }
  const auto [phase, fraction] = phase_of(options.survival_over_time);
  phase_ = phase;
  length_ = fraction;
  steps_ = options.steps > 0 ? options.steps : static_cast<double>(options.epochs) * steps_per_epoch;
  steps_per_epoch_ = steps_per_epoch;
}

inline std::vector<double> SurvivalPlan::at(std::span<const double> survival, int epoch) const {
  // One division of whole numbers gives the double that is nearest to the fraction, as the number on the
  // command line is.
  const double done = steps_ > 0 ? std::min(1.0, (epoch - 1) * steps_per_epoch_ / steps_) : epoch - 1;
  std::vector<double> table;
  for (const double p : survival) table.push_back(survival_in_phase(phase_, length_, p, done));
  return table;
}

inline std::string SurvivalPlan::text() const {
  using enum SurvivalPhase;
  const std::string part = decimal(100 * length_, 6) + " % of the run";
  if (phase_ == early) return " in the first " + part;
  if (phase_ == late) return " after the first " + part;
  if (phase_ == warm_up)
    return " after a warm-up of " + (steps_ > 0 ? part : decimal(length_, 9) + " epochs");
  return "";
}

}  // namespace sdepth::inline SDEPTH_ISA::program
