// What a Trainer is made with.
#pragma once

#include <cstdint>
#include <type_traits>

#include <sdepth/core/available_threads.hpp>
#include <sdepth/core/error.hpp>
#include <sdepth/kernels/rounding.hpp>
#include <sdepth/losses/cross_entropy.hpp>
#include <sdepth/optimizers/sgd.hpp>
#include <sdepth/schedule/scaling.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What an optimizer does to the parameters of a block that was skipped in this step; each optimizer says
/// what that means for its state.
enum class SkipUpdate {
  as_code,  // as the authors' program: its gradient is zero, but weight decay and momentum go on
  frozen,   // as the text of the paper: parameters and the optimizer's state stay as they are
};

/// How BN's γ begins.
enum class GammaInit {
  one,      // as everyone
  uniform,  // U(0, 1), as the authors' Torch7 program
};

/// For Trainer<Net, Backend, Loss, Optimizer>. The optimizer's own options are the member `optimizer`:
/// {.batch = 64, .optimizer = {.learning_rate = 3e-4}}; only where the optimizer is SGD the member is called
/// `sgd`.
template <class Loss, class Optimizer>
struct TrainingOptionsOf {
  int batch = 128;                    // largest batch of a step, in images
  int threads = available_threads();  // results do not depend on it
  std::uint64_t seed = 0;             // of weights and gates
  typename Optimizer::Options optimizer = {};
  SkipUpdate skip_update = SkipUpdate::as_code;
  Scaling scaling = Scaling::test;
  GammaInit gamma = GammaInit::one;
  typename Loss::Options loss = {};
  Rounding rounding = Rounding::nearest;  // of what lies in memory as bfloat16
};
/// The same, where the optimizer is the usual one and goes by its name.
template <class Loss>
struct TrainingOptionsOf<Loss, SGD> {
  int batch = 128;
  int threads = available_threads();
  std::uint64_t seed = 0;
  SGD::Options sgd = {};  // learning rate, momentum, weight decay, Nesterov
  SkipUpdate skip_update = SkipUpdate::as_code;
  Scaling scaling = Scaling::test;
  GammaInit gamma = GammaInit::one;
  typename Loss::Options loss = {};
  Rounding rounding = Rounding::nearest;  // of what lies in memory as bfloat16
};
using TrainingOptions = TrainingOptionsOf<CrossEntropy, SGD>;

/// The optimizer's part, whatever it is called.
template <class Options>
[[nodiscard]] auto& optimizer_options(Options& options) noexcept {
  if constexpr (requires { options.sgd; })
    return options.sgd;
  else
    return options.optimizer;
}

/// The rounding that was asked for. Throws Error where the backend has no such.
template <class Backend>
void check_rounding(Rounding rounding) {
  if (rounding == Rounding::nearest || RoundsStochastically<Backend>) return;
  if constexpr (std::is_same_v<typename Backend::Scalar, typename Backend::Stored>)
    fail(
        "options: stochastic rounding is of activations in bfloat16, and this backend stores them as they are computed; use CpuBfloat16, or Cuda with bfloat16, or leave Rounding::nearest");
  else
    fail(
        "options: this backend rounds activations in bfloat16 to nearest only, as its Context has no rounding(); use CpuBfloat16, or Cuda with bfloat16, or leave Rounding::nearest");
}

/// The options as they are. Throws Error naming the first that no training can be made with.
template <class Loss, class Optimizer>
[[nodiscard]] const TrainingOptionsOf<Loss, Optimizer>& checked(
    const TrainingOptionsOf<Loss, Optimizer>& options) {
  check_at_least_one("options", "batch", options.batch);
  check_threads("options", options.threads);
  check_options<Optimizer>(optimizer_options(options));
  if constexpr (requires { Loss::check(options.loss); }) Loss::check(options.loss);
  return options;
}

}  // namespace sdepth::inline SDEPTH_ISA
