// Loss and error of a network as it is, between two steps of training.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

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

/// @see Trainer::evaluate. Images are a walk's capacity at a time; of a shared batch, which a walk must hold,
///      they are this process's.
/// @param batch   the most images of a shared batch   @param scales  [residual blocks], of branches
template <class Loss, class Net, class Backend, class Given>
[[nodiscard]] Score score_of(detail::Walk<Net, Backend>& walk, Weights<Net, Backend>& weights,
                             const detail::SharedSteps<Net, Backend>& together, int batch,
                             const Given& images, const typename Loss::Targets& targets,
                             const DepthPlan& plan, const typename Loss::Options& options,
                             const std::vector<double>& scales) {
  using T = typename Backend::Scalar;
  constexpr int classes = static_cast<int>(Net::output.size());
  constexpr std::size_t stride = detail::Walk<Net, Backend>::classes_stride;
  const int count = detail::image_count(Net::input, images);
  Loss::check(targets, count, classes);
  const int whole = together.whole_batch(count), at_once = together.others() ? whole : walk.capacity();
  if (whole > batch && together.others())  // every process sees it: none waits for one that has failed
    fail("evaluate: expected at most ", batch, " images of all processes (the trainer's batch), found ",
         whole, "; give fewer at a time");
  const auto sharing = together.sharing(walk.context(), whole);
  together.agree_on_statistics(weights.running());
  const std::vector<std::uint8_t> gates = gates_of<Net>(plan);
  const int kept = blocks_kept<Net>(plan);
  Score score{0, 0, whole, kept, std::int64_t{whole} * kept};
  for (int first = 0; first < whole; first += at_once) {
    const int n = std::min(at_once, count - first);
    const T* logits =
        detail::run_open_blocks(walk, detail::numbers_at_test(weights), images, first, n, gates, scales);
    const LossResult part = detail::batch_loss<Backend, Loss, T>(walk.context(), options, classes, logits,
                                                                 targets, count, first, n, nullptr)
                                .get();
    const auto read = Backend::read(walk.context(), logits, static_cast<std::size_t>(n) * stride);
    check_logits(std::span(std::as_const(read)), classes, stride, first);
    score.loss += part.loss * std::min(at_once, whole - first);
    score.errors += part.errors;
  }
  if (whole > 0) score.loss /= whole;
  return score;
}

}  // namespace sdepth::inline SDEPTH_ISA
