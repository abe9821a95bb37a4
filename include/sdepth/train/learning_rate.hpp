// Learning-rate schedules: the rate as a function of the place in the run. A schedule of one's own is a type
// with this one function.
#pragma once

#include <algorithm>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <numbers>
#include <vector>

#include <sdepth/core/config.hpp>
#include <sdepth/core/exactly.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// A learning rate that changes in a run: at(n, count) is the rate in the n-th of `count` epochs, or of
/// `count` steps, n = 1 … count. Which of the two is the loop's choice:
///
///     trainer.set_learning_rate(schedule.at(epoch, epochs));              // before each epoch, which are counted from 1
///     trainer.set_learning_rate(schedule.at(trainer.steps() + 1, steps)); // before each step
///
/// Trainer::set_learning_rate throws Error on what is no rate: not finite, or negative.
template <class Type>
concept LearningRateSchedule = requires(const Type& schedule, std::int64_t n) {
  { schedule.at(n, n) } -> std::convertible_to<double>;
};

/// Whether `done` of `length` are the fraction or more. A fraction with up to six decimals is meant as it is
/// written: 7 of 25 are 0.28 of them, although the double nearest to 0.28 lies a little above it. Millionths
/// are whole numbers, and so are their products, which a double holds exactly up to 2^53.
[[nodiscard]] inline bool reached(double done, double fraction, double length) noexcept {
  const double millionths = std::round(1e6 * fraction);
  if (exactly(millionths / 1e6, fraction)) return 1e6 * done >= millionths * length;
  return done >= fraction * length;
}

/// The same rate in the whole run.
struct ConstantRate {
  double base = 0.1;

  [[nodiscard]] double at(std::int64_t, std::int64_t) const noexcept { return base; }
};

/// A rate that falls by `factor` at fractions of the run: base · factor^(number of drops d with n ≥ d ·
/// count).
///
/// Source: the authors' program of Huang et al., ECCV 2016, which counts epochs from 1; PyTorch's
/// MultiStepLR. @see reached
struct StepDecay {
  double base = 0.1;
  std::vector<double> drops = {0.5, 0.75};  // fractions of the run, in rising order
  double factor = 0.1;
  int warm_up_epochs = 0;  // epochs at warm_up instead of base
  double warm_up = 0.01;

  [[nodiscard]] double at(std::int64_t n, std::int64_t count) const noexcept {
    if (n <= warm_up_epochs) return warm_up;
    double rate = base;
    for (const double drop : drops)
      if (reached(static_cast<double>(n), drop, static_cast<double>(count))) rate *= factor;
    return rate;
  }
};

/// From `from` to `to` on half a wave of the cosine. @param share  of the way, in [0, 1]
[[nodiscard]] inline double cosine_between(double from, double to, double share) noexcept {
  return to + 0.5 * (from - to) * (1.0 + std::cos(std::numbers::pi * share));
}

/// A rate that falls from `base` to `eta_min` on half a wave of the cosine:
///
///     eta_min + (base − eta_min)(1 + cos(π (n − 1)/count))/2
///
/// The last epoch or step is still above eta_min, which only the one after it would have. Source: Loshchilov
/// and Hutter, "SGDR", ICLR 2017, without restarts; PyTorch's CosineAnnealingLR with T_max = count.
struct CosineAnnealing {
  double base = 0.1;
  double eta_min = 0;

  [[nodiscard]] double at(std::int64_t n, std::int64_t count) const noexcept {
    return cosine_between(base, eta_min, static_cast<double>(n - 1) / static_cast<double>(count));
  }
};

/// A rate that rises from max_lr / div_factor to max_lr, and falls from there to the first rate /
/// final_div_factor, on a cosine each way. It is meant by the step. The momentum is left alone, where
/// PyTorch's default moves it the opposite way.
///
/// Source: Smith and Topin, "Super-Convergence", 2018; PyTorch's OneCycleLR with anneal_strategy = "cos",
/// total_steps = count.
struct OneCycle {
  double max_lr = 0.1;
  double pct_start = 0.3;  // the fraction of the run in which the rate rises
  double div_factor = 25;
  double final_div_factor = 1e4;

  [[nodiscard]] double at(std::int64_t n, std::int64_t count) const noexcept {
    const double first = max_lr / div_factor, step = static_cast<double>(n - 1);
    const double top = pct_start * static_cast<double>(count) - 1.0, end = static_cast<double>(count) - 1.0;
    if (step <= top) return cosine_between(first, max_lr, top > 0 ? step / top : 1.0);
    return cosine_between(max_lr, first / final_div_factor, (step - top) / (end - top));
  }
};

/// Any schedule, times a factor that rises linearly from start_factor to 1 over the first `length` epochs or
/// steps:
///
///     LinearWarmUp<CosineAnnealing> schedule{{.base = 0.4}, 5};
///
/// The schedule itself is not moved: a drop at half of the run stays there, and a cosine falls from the first
/// epoch on. Source: Goyal et al., "Accurate, Large Minibatch SGD", 2017; PyTorch's LinearLR, chained with
/// the schedule.
template <LearningRateSchedule Schedule>
struct LinearWarmUp {
  Schedule schedule = {};
  double length = 5;
  double start_factor = 1.0 / 3.0;

  [[nodiscard]] double at(std::int64_t n, std::int64_t count) const {
    const double share = length > 0 ? std::min(1.0, static_cast<double>(n - 1) / length) : 1.0;
    return schedule.at(n, count) * (1.0 - (1.0 - start_factor) * (1.0 - share));  // of share 1 exactly 1
  }
};

}  // namespace sdepth::inline SDEPTH_ISA
