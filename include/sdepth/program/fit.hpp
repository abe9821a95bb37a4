// Training for as many epochs as one likes, in one call, for programs with a main function of their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/train/batches.hpp>
#include <sdepth/train/score.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// What came of an epoch.
struct EpochResult {
  int epoch = 0;       ///< 1-based
  Score training;      ///< of its steps, while the weights changed; blocks_run is their sum
  Score validation;    ///< behind the epoch; images is 0 where there is nothing to validate on
  double seconds = 0;  ///< of its steps
};

struct FitOptions {
  int epochs = 10;
  /// The rate of step n of `count`, n from 1, as schedules of train/learning_rate.hpp count: `[s](auto n,
  /// auto count) { return s.at(n, count); }`. Empty: the trainer's own.
  std::function<double(std::int64_t n, std::int64_t count)> learning_rate{};
  /// Called behind each epoch: a place for metrics of one's own, and for save(). Returns false to stop.
  /// Empty: never.
  std::function<bool(const EpochResult& result)> after_epoch{};
};

/// Trains on all batches of each epoch, and validates behind it.
///
///     Loader training(train, normalization, {.batch = 128, .seed = 1});
///     Loader validation(held_out, normalization, {.batch = 128, .shuffle = false, .augment = false});
///     fit(trainer, training, validation, {.epochs = 20, .after_epoch = [](const EpochResult& e) { return e.validation.error_rate() > 0.05; }});
///
/// A trainer that was restored from a checkpoint goes on with the step that it is at, within an epoch, too.
/// Throws Error where there is nothing to train on, and what the trainer and the batches throw.
/// @param training, validation  a Loader, or what has its steps(), start(epoch, step) and next()
/// @return  a row for each epoch that was trained here
template <class Trainer, Batches Training, Batches Validation>
std::vector<EpochResult> fit(Trainer& trainer, Training& training, Validation& validation,
                             const FitOptions& options = {}) {
  using Clock = std::chrono::steady_clock;
  const std::int64_t steps = training.steps(), count = steps * options.epochs;
  if (steps == 0 || options.epochs < 1)
    fail("fit: ", options.epochs, " epochs of ", steps,
         " steps, expected at least one of each; give it pictures to train on");
  std::vector<EpochResult> results;
  for (auto at = static_cast<std::int64_t>(trainer.steps()); at < count;
       at = static_cast<std::int64_t>(trainer.steps())) {
    const auto epoch = static_cast<int>(at / steps);
    EpochResult result{.epoch = epoch + 1, .training = {}, .validation = {}, .seconds = 0};
    const auto start = Clock::now();
    ScoreSum steps_of_epoch;
    training.start(epoch, static_cast<int>(at % steps));
    while (const auto* batch = training.next()) {
      if (options.learning_rate)
        trainer.set_learning_rate(
            options.learning_rate(static_cast<std::int64_t>(trainer.steps()) + 1, count));
      steps_of_epoch.add(train_step(trainer, *batch));
    }
    result.training = steps_of_epoch.all();
    result.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (validation.steps() > 0) result.validation = evaluate(trainer, validation);
    results.push_back(result);
    if (options.after_epoch && !options.after_epoch(results.back())) break;
  }
  return results;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
