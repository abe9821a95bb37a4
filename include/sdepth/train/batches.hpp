// Steps and scores of a trainer on batches that come one after the other, as from a Loader.
#pragma once

#include <concepts>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/losses/class_targets.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/train/score.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What gives an epoch's batches in order: start(epoch), then next() until it returns null. Loader does, and
/// anything of its shape.
template <class Type>
concept Batches = requires(Type& batches) {
  batches.start(0);
  { batches.next()->images } -> std::convertible_to<std::span<const float>>;
  batches.next()->labels;
};

/// What the loss compares a batch with: its targets where it has any (probabilities of mixed pictures,
/// numbers to be predicted), else its labels.
template <class Trainer, class Batch>
[[nodiscard]] typename Trainer::Targets targets_of(const Batch& batch) {
  using Targets = typename Trainer::Targets;
  if constexpr (requires { batch.targets; }) {
    if constexpr (std::is_constructible_v<Targets, Probabilities>) {
      if (!batch.targets.empty()) return Targets(Probabilities{batch.targets});
    } else if constexpr (std::is_constructible_v<Targets, const std::vector<float>&>) {
      return Targets(batch.targets);
    }
  }
  if constexpr (std::is_constructible_v<Targets, const std::vector<int>&>)
    return Targets(batch.labels);
  else
    fail("batches: the loss compares with numbers, and the batch has none; give it a source with targets");
}

/// One training step on a batch of a Loader.
template <class Trainer, class Batch>
Score train_step(Trainer& trainer, const Batch& batch) {
  return trainer.step(NHWC<float>{batch.images}, targets_of<Trainer>(batch));
}

/// Loss and error over an epoch of batches, of any sizes: a loader without shuffle and augmentation for a
/// test.
///
///     Loader test(set, normalization, {.batch = 128, .shuffle = false, .augment = false});
///     const Score score = evaluate(trainer, test);
///
/// Throws Error as Trainer::evaluate does, and where there are no batches; images are counted within their
/// batch.
template <class Trainer, Batches Type>
[[nodiscard]] Score evaluate(Trainer& trainer, Type& batches) {
  ScoreSum sum;
  int blocks_run = 0;  // as many of each batch
  const auto add = [&](const Score& score) {
    sum.add(score);
    blocks_run = score.blocks_run;
  };
  batches.start(0);
  using Started = decltype(trainer.start_evaluation(NHWC<float>{}, targets_of<Trainer>(*batches.next())));
  std::optional<Started> before;  // a device computes it while the next batch is made
  while (const auto* batch = batches.next()) {
    Started started = trainer.start_evaluation(NHWC<float>{batch->images}, targets_of<Trainer>(*batch));
    if (before) add(trainer.finish(*before));
    before.emplace(std::move(started));
  }
  if (before) add(trainer.finish(*before));
  Score score = sum.all();
  check_has_images("evaluate", score.images);
  score.blocks_run = blocks_run;
  return score;
}

}  // namespace sdepth::inline SDEPTH_ISA
