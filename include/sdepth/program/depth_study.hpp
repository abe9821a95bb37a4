// A trained network without some blocks: what each block is worth, and error against time for shorter and
// shorter networks.
#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <sdepth/core/error.hpp>
#include <sdepth/data/image_set.hpp>
#include <sdepth/data/normalize.hpp>
#include <sdepth/network/depth_plan.hpp>
#include <sdepth/program/classifier.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/train/block_removal.hpp>
#include <sdepth/train/norm_estimate.hpp>

namespace sdepth::inline SDEPTH_ISA::program {

/// Pictures as the network reads them.
struct NormalizedSet {
  std::vector<float> images;
  std::vector<int> labels;
  NormalizedSet(const ImageSet& set, const Normalization& normalization)
      : images(set.pixels.size()), labels(set.labels.begin(), set.labels.end()) {
    for (int i = 0; i < set.size(); ++i)
      normalization.apply(set.image(i), images.data() + static_cast<std::size_t>(i) * set.shape.size());
  }
};

/// The error. Throws Error where the loss is not finite: what was counted then are no errors of a network
/// that works.
[[nodiscard]] inline double finite_error(const Score& score, const std::string& where,
                                         const std::string& depth) {
  if (!std::isfinite(score.loss))
    fail(where, ": ", depth, " the loss is ", score.loss,
         ", expected a finite number; these weights are none to study depth with");
  return score.error_rate();
}

/// @param weights  those of the task; their running statistics are as before at the end
template <class Net, class Backend>
[[nodiscard]] DepthResult study_depth(Weights<Net, Backend>& weights, const ClassifierTask& task,
                                      const DepthStudy& study) {
  const TestOptions options{
      .survival = task.survival, .scaling = task.scaling, .batch = 128, .threads = task.threads};
  DepthResult result;
  const NormalizedSet chosen_by(study.chosen_by, task.normalization);
  result.removals = remove_each_block(weights, NHWC<float>{chosen_by.images}, chosen_by.labels, options);
  for (const auto& [block, score] : result.removals)
    static_cast<void>(finite_error(score, task.where, "without block " + std::to_string(block)));
  if (study.points == 0) return result;

  const std::vector<int> by_harm = drop_order_by_harm(result.removals),
                         by_survival = drop_order_by_survival<Net>(task.survival);
  const NormalizedSet test(task.pictures, task.normalization), training(study.training, task.normalization);
  const std::vector<typename Backend::Scalar> running(weights.running().span().begin(),
                                                      weights.running().span().end());
  std::vector<float> logits(test.labels.size() * Net::output.size());
  const auto error = [&](const DepthPlan& plan) {
    const Score score = score_at_depth(weights, plan, NHWC<float>{test.images}, test.labels, options);
    return finite_error(score, task.where, "with " + std::to_string(blocks_kept<Net>(plan)) + " blocks");
  };
  const int points = std::min(study.points, Net::residual_blocks);
  for (int point = 0; point < points; ++point) {
    const int blocks = Net::residual_blocks - Net::residual_blocks * point / points;
    const DepthPlan plan = keep_blocks<Net>(by_harm, blocks);
    DepthPoint& at = result.curve.emplace_back();
    at.blocks = blocks;
    at.operations = operations_of<Net>(plan) / Net::operations_per_image;
    at.by_survival = error(keep_blocks<Net>(by_survival, blocks));
    using Folded = FoldedWeights<Net, Backend>;
    Inference<Net, Backend> network(
        std::make_shared<const Folded>(weights, task.survival, task.scaling, plan), options.batch,
        options.threads);
    const auto start = std::chrono::steady_clock::now();
    network.predict(NHWC<float>{test.images}, logits);
    at.milliseconds =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() /
        task.pictures.size();
    const Score score = score_of(logits, test.labels, task.pictures.classes);
    at.by_harm = finite_error(score, task.where, "with " + std::to_string(blocks) + " blocks");
    reestimate_norms(weights, NHWC<float>{training.images}, plan, options);
    at.by_harm_reestimated = error(plan);
    std::copy(running.begin(), running.end(), weights.running().data());
  }
  return result;
}

}  // namespace sdepth::inline SDEPTH_ISA::program
