// What a training run can choose, and the paper's choices as presets.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/training_options.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How a trained network runs at test: what its branches are scaled by, and how many images and threads at once. Results depend on the scales alone.
struct TestOptions {
  std::vector<double> survival = {};  // [residual blocks], the probabilities of training; empty: the network's own
  Scaling scaling = Scaling::test;    // as in training
  int batch = 128;
  int threads = available_threads();
};
/// The options as they are. Throws Error naming the first that no network can be run with; the survival table is checked where its network is known.
[[nodiscard]] inline const TestOptions& checked(const TestOptions& options) {
  check_at_least_one("options", "batch", options.batch);
  check_at_least_one("options", "threads", options.threads);
  return options;
}

/// Whether `done` of `length` are the fraction or more. A fraction with up to six decimals is meant as it is written: 7 of 25 are 0.28 of them, although the double
/// nearest to 0.28 lies a little above it. Millionths are whole numbers, and so are their products, which a double holds exactly up to 2^53.
[[nodiscard]] inline bool reached(double done, double fraction, double length) noexcept {
  const double millionths = std::round(1e6 * fraction);
  if (millionths / 1e6 == fraction) return 1e6 * done >= millionths * length;
  return done >= fraction * length;
}

/// Learning rate that falls by `factor` at fractions of the run.
struct LearningRate {
  double base = 0.1;
  std::vector<double> drops = {0.5, 0.75};  // fractions of the run, in rising order
  double factor = 0.1;
  int warm_up_epochs = 0;  // epochs at warm_up instead of base
  double warm_up = 0.01;

  /// In epoch `epoch` of `epochs`, 1-based: base · factor^(number of drops d with epoch ≥ d · epochs), as the authors' program counts. @see reached
  [[nodiscard]] double at(int epoch, int epochs) const noexcept {
    if (epoch <= warm_up_epochs) return warm_up;
    double rate = base;
    for (const double drop : drops)
      if (reached(epoch, drop, epochs)) rate *= factor;
    return rate;
  }
};

/// Survival probabilities that begin at 1, the constant-depth network, and fall to their values over the first epochs:
///
///     p_l(e) = 1 − (1 − p_l) · min(1, (e − 1) / E),   e = 1, 2, …
///
/// so all blocks run in the first epoch, and from epoch E + 1 on the probabilities are their own. E = 0, the paper's recipe: from the start.
/// At test a branch is scaled by the probability of the epoch that was trained last: give Trainer::set_survival the table of each epoch.
struct SurvivalWarmUp {
  int epochs = 0;  // E

  /// p_l in epoch `epoch`, 1-based; before the first as in the first. @param survival  p_l, in [0, 1]
  [[nodiscard]] constexpr double at(double survival, int epoch) const noexcept {
    if (epoch > epochs) return survival;
    if (epoch < 1) return 1.0;
    return 1.0 - (1.0 - survival) * (static_cast<double>(epoch - 1) / epochs);
  }
  /// The table of that epoch.
  [[nodiscard]] std::vector<double> at(std::span<const double> survival, int epoch) const {
    std::vector<double> table;
    for (const double p : survival) table.push_back(at(p, epoch));
    return table;
  }
};

/// A whole recipe: options of the steps, and of the run.
struct Recipe {
  TrainingOptions options = {};
  LearningRate learning_rate = {};
  int epochs = 500;
  int validation = 5000;  // records held out of the training part
  bool augment = true;
};

/// CIFAR-10 and CIFAR-100. Source: Huang et al., ECCV 2016, section 4; batch 128, SGD 0.1 ÷10 at 50 % and 75 % of 500 epochs, Nesterov
/// momentum 0.9, weight decay 1e-4 on every parameter.
[[nodiscard]] inline Recipe paper_cifar() { return {}; }

/// SVHN: 50 epochs, ÷10 at 60 % and 70 %, no augmentation, 6,000 records for validation.
[[nodiscard]] inline Recipe paper_svhn() {
  Recipe recipe;
  recipe.learning_rate.drops = {0.6, 0.7};
  recipe.epochs = 50;
  recipe.validation = 6000;
  recipe.augment = false;
  return recipe;
}

/// The 1202-layer network on CIFAR-10: 300 epochs, the first 10 at 0.01, ÷10 at 150 and 225.
[[nodiscard]] inline Recipe paper_cifar_1202() {
  Recipe recipe;
  recipe.epochs = 300;
  recipe.learning_rate.warm_up_epochs = 10;
  return recipe;
}

}  // namespace sdepth::inline SDEPTH_ISA
