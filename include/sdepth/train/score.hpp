// Loss and error: what a step or an evaluation found.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>

#include <sdepth/core/error.hpp>
#include <sdepth/kernels/reference/dense.hpp>
#include <sdepth/losses/class_targets.hpp>
#include <sdepth/run/logits.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// What one step or one evaluation found.
struct Score {
  // mean over the images: of softmax cross-entropy in nats, or of the loss that the trainer was made with
  double loss = 0;
  // images whose largest logit is not their label's, or what else the loss takes for one
  std::int64_t errors = 0;
  std::int64_t images = 0;
  int blocks_run = 0;  // residual blocks that ran, for one image at least
  // residual branches over images: images · blocks_run where images have no gates of their own
  std::int64_t branches_run = 0;

  /// The same with a loss and its errors.
  [[nodiscard]] Score with(const LossResult& result) const noexcept {
    Score score = *this;
    score.loss = result.loss;
    score.errors = result.errors;
    return score;
  }
  /// Errors per image; not-a-number where there are no images.
  [[nodiscard]] double error_rate() const noexcept {
    return images > 0 ? static_cast<double>(errors) / static_cast<double>(images)
                      : std::numeric_limits<double>::quiet_NaN();
  }
};

/// Throws Error where there are no images to be judged by. A score of none would look like a perfect one.
inline void check_has_images(const char* where, std::int64_t images) {
  if (images < 1)
    fail(where, ": expected at least 1 image, found ", images,
         "; without images there is neither a loss nor an error");
}

/// The score of images that come in several batches.
class ScoreSum {
 public:
  void add(const Score& batch) noexcept {
    sum_.loss += batch.loss * static_cast<double>(batch.images);
    sum_.errors += batch.errors;
    sum_.images += batch.images;
    sum_.blocks_run += batch.blocks_run;
    sum_.branches_run += batch.branches_run;
  }
  /// The mean loss over all images, and the sums of all else; of no images both are 0.
  [[nodiscard]] Score all() const noexcept {
    Score score = sum_;
    if (score.images > 0) score.loss /= static_cast<double>(score.images);
    return score;
  }

 private:
  Score sum_;
};

/// Loss and error of logits [N, classes], whatever they are: where one is NaN, its image counts as an error,
/// and the loss may be infinite or NaN. Throws Error where labels do not fit them, or there are no images.
/// @param labels  [N]
[[nodiscard]] inline Score score_of_any(std::span<const float> logits, std::span<const int> labels,
                                        int classes) {
  check_logits_size(logits.size(), classes);
  const int count = static_cast<int>(logits.size() / static_cast<std::size_t>(classes));
  check_labels(count, labels, classes);
  check_has_images("score", count);
  const LossResult result =
      reference::softmax_cross_entropy<float>(count, classes, logits.data(), labels.data(), nullptr);
  return {result.loss, result.errors, count, 0};
}

/// The same of logits that must be finite: throws Error naming the first image that has others.
[[nodiscard]] inline Score score_of(std::span<const float> logits, std::span<const int> labels, int classes) {
  check_logits(logits, classes);
  return score_of_any(logits, labels, classes);
}

}  // namespace sdepth::inline SDEPTH_ISA
