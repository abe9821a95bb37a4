// Loss and error of a network as it is, between two steps of training.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/network/head.hpp>
#include <sdepth/run/evaluation.hpp>
#include <sdepth/run/images.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/run/walk.hpp>
#include <sdepth/run/weights.hpp>
#include <sdepth/train/batch_loss.hpp>
#include <sdepth/train/score.hpp>
#include <sdepth/train/shared_steps.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Some images of an evaluation, whose loss and outputs a device may still compute.
template <class Backend>
struct EvaluatedPart {
  typename Backend::Loss loss;
  decltype(Backend::read(std::declval<typename Backend::Context&>(),
                         static_cast<const typename Backend::Scalar*>(nullptr), std::size_t{})) outputs;
  int first = 0;
  int images = 0;  // of the whole batch

  /// Waits for it. Throws Error where an output is not finite, on every process where it is on one.
  void add_to(Score& sum, int classes, std::size_t stride) const {
    const LossResult result = loss.get();
    check_logits(std::span<const typename Backend::Scalar>(outputs.get()), classes, stride, first);
    if (!std::isfinite(result.loss))
      fail("evaluate: the loss is ", result.loss,
           ", expected a finite number; look for outputs that overflow, here or on another process");
    sum.loss += result.loss * images;
    sum.errors += result.errors;
  }
};

/// An evaluation of which the last part's score has not been asked for; on the host it has.
template <class Backend>
struct StartedEvaluation {
  Score score;  // its loss a sum over images
  std::optional<EvaluatedPart<Backend>> last = {};
};

/// @see Trainer::start_evaluation. Images are a walk's capacity at a time, of which one part is handed over
///      before the one in front is waited for; of a shared batch, which a walk must hold, they are this
///      process's.
/// @param batch   the most images of a shared batch   @param scales  [residual blocks], of branches
template <class Loss, class Net, class Backend, class Given>
[[nodiscard]] StartedEvaluation<Backend> start_evaluation_of(
    detail::Walk<Net, Backend>& walk, Weights<Net, Backend>& weights,
    const detail::SharedSteps<Net, Backend>& together, int batch, const Given& images,
    const typename Loss::Targets& targets, const DepthPlan& plan, const typename Loss::Options& options,
    const std::vector<double>& scales) {
  using T = typename Backend::Scalar;
  constexpr int classes = static_cast<int>(Net::output.size());
  constexpr std::size_t stride = detail::Walk<Net, Backend>::classes_stride;
  int count = 0;
  const int whole = together.whole_batch("evaluate", [&] {
    count = detail::image_count(Net::input, images);
    Loss::check(targets, count, classes);
    return count;
  });
  check_has_images("evaluate", whole);
  const int at_once = together.others() ? whole : walk.capacity();
  if (whole > batch && together.others())  // every process sees it: none waits for one that has failed
    fail("evaluate: expected at most ", batch, " images of all processes (the trainer's batch), found ",
         whole, "; give fewer at a time");
  const auto sharing = together.sharing(walk.context(), whole);
  together.agree_on_statistics(weights.running());
  const std::vector<std::uint8_t> gates = gates_of<Net>(plan);
  const int kept = blocks_kept<Net>(plan);
  StartedEvaluation<Backend> started{{0, 0, whole, kept, std::int64_t{whole} * kept}};
  for (int first = 0; first < whole; first += at_once) {
    const int n = std::min(at_once, count - first);
    const T* logits =
        detail::run_open_blocks(walk, detail::numbers_at_test(weights), images, first, n, gates, scales);
    EvaluatedPart<Backend> part{detail::batch_loss<Backend, Loss, T>(walk.context(), options, classes, logits,
                                                                     targets, count, first, n, nullptr),
                                Backend::read(walk.context(), logits, static_cast<std::size_t>(n) * stride),
                                first, std::min(at_once, whole - first)};
    if constexpr (Backend::synchronous) {
      part.add_to(started.score, classes, stride);
    } else {
      if (started.last) started.last->add_to(started.score, classes, stride);
      started.last.emplace(std::move(part));
    }
  }
  return started;
}

/// What start_evaluation_of began.
template <class Net, class Backend>
[[nodiscard]] Score score_of(const StartedEvaluation<Backend>& started) {
  Score score = started.score;
  if (started.last)
    started.last->add_to(score, static_cast<int>(Net::output.size()),
                         detail::Walk<Net, Backend>::classes_stride);
  score.loss /= static_cast<double>(score.images);
  return score;
}

}  // namespace sdepth::inline SDEPTH_ISA
