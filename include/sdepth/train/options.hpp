// What a training run can choose, and the paper's choices as presets.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/schedule/scaling.hpp>
#include <sdepth/train/learning_rate.hpp>
#include <sdepth/train/training_options.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// How a trained network runs at test: what its branches are scaled by, and how many images and threads at
/// once. Results depend on the scales alone.
struct TestOptions {
  // [residual blocks], the probabilities of training; empty: the network's own
  std::vector<double> survival = {};
  Scaling scaling = Scaling::test;  // as in training
  int batch = 128;
  int threads = available_threads();
};
/// The options as they are. Throws Error naming the first that no network can be run with; the survival table
/// is checked where its network is known.
[[nodiscard]] inline const TestOptions& checked(const TestOptions& options) {
  check_at_least_one("options", "batch", options.batch);
  check_threads("options", options.threads);
  return options;
}

/// A whole recipe: options of the steps, and of the run.
struct Recipe {
  TrainingOptions options = {};
  StepDecay learning_rate = {};
  int epochs = 500;
  int validation = 5000;  // records held out of the training part
  bool augment = true;
};

/// CIFAR-10 and CIFAR-100. Source: Huang et al., ECCV 2016, section 4; batch 128, SGD 0.1 ÷10 at 50 % and 75
/// % of 500 epochs, Nesterov momentum 0.9, weight decay 1e-4 on every parameter.
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
