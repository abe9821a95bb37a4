// What a trained network loses with each block: the network is run without it. From that, the order in which
// blocks are dropped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include <sdepth/network/depth_plan.hpp>
#include <sdepth/run/inference.hpp>
#include <sdepth/train/options.hpp>
#include <sdepth/train/score.hpp>

namespace sdepth::inline SDEPTH_ISA {

/// Loss and error of what a plan leaves of a network, as Inference runs it. @param score  from logits, labels
/// and classes to a Score
template <class Net, class Backend, Images Given>
[[nodiscard]] Score scored_at_depth(const Weights<Net, Backend>& weights, const DepthPlan& plan,
                                    const Given& images, std::span<const int> labels,
                                    const TestOptions& options,
                                    Score (*score)(std::span<const float>, std::span<const int>, int)) {
  constexpr int classes = static_cast<int>(Net::output.size());
  const TestOptions& with = checked(options);
  check_labels(detail::image_count(Net::input, images), labels, classes);  // before the work
  using Folded = FoldedWeights<Net, Backend>;
  Inference<Net, Backend> network(std::make_shared<const Folded>(weights, with.survival, with.scaling, plan),
                                  with.batch, with.threads);
  Score result = score(network.predict(images), labels, classes);
  result.blocks_run = blocks_kept<Net>(plan);
  result.branches_run = result.images * result.blocks_run;
  return result;
}
/// The same where the logits must be finite. Throws Error on options that no network can be run with, images
/// or labels of the wrong size, labels out of range, a plan or survival probabilities of another network, and
/// logits that are not finite.
template <class Net, class Backend, Images Given>
[[nodiscard]] Score score_at_depth(const Weights<Net, Backend>& weights, const DepthPlan& plan,
                                   const Given& images, std::span<const int> labels,
                                   const TestOptions& options = {}) {
  return scored_at_depth(weights, plan, images, labels, options, score_of);
}
template <class Net, class Backend, class Given, class... Others>
  requires(!Images<Given>)
Score score_at_depth(const Weights<Net, Backend>&, const DepthPlan&, const Given&, Others&&...) {
  return detail::wrap_the_images<Score, Given>();
}

/// The network without one residual block.
struct BlockRemoval {
  int block = 0;
  Score score;
};

/// Loss and error without each block in turn, the others of the plan running, in the order of the network;
/// only blocks that may be dropped. It takes one pass over the images for each. A loss may be infinite or
/// NaN: a network that overflows without a block can do with the block.
///
/// Source: Veit et al., "Residual Networks Behave Like Ensembles of Relatively Shallow Networks", NIPS 2016,
/// section 4.1.
template <class Net, class Backend, Images Given>
[[nodiscard]] std::vector<BlockRemoval> remove_each_block(const Weights<Net, Backend>& weights,
                                                          const Given& images, std::span<const int> labels,
                                                          const TestOptions& options = {},
                                                          const DepthPlan& plan = {}) {
  DepthPlan without{gates_of<Net>(plan)};
  std::vector<BlockRemoval> removals;
  for (std::size_t block = 0; block < without.keep.size(); ++block) {
    if (!may_drop<Net>(static_cast<int>(block)) || !without.keep[block]) continue;
    without.keep[block] = 0;
    removals.push_back(
        {static_cast<int>(block), scored_at_depth(weights, without, images, labels, options, score_of_any)});
    without.keep[block] = 1;
  }
  return removals;
}
template <class Net, class Backend, class Given, class... Others>
  requires(!Images<Given>)
std::vector<BlockRemoval> remove_each_block(const Weights<Net, Backend>&, const Given&, Others&&...) {
  return detail::wrap_the_images<std::vector<BlockRemoval>, Given>();
}

/// The blocks in order of harm, the least harmful to drop first: by the loss without the block; of equals by
/// errors, then the deepest first. The loss, because it tells blocks apart that change a few hundred images'
/// errors by the same small number. One that is not finite is the worst.
[[nodiscard]] inline std::vector<int> drop_order_by_harm(std::span<const BlockRemoval> removals) {
  std::vector<BlockRemoval> sorted(removals.begin(), removals.end());
  const auto key = [](const BlockRemoval& removal) {
    const double loss =
        std::isfinite(removal.score.loss) ? removal.score.loss : std::numeric_limits<double>::infinity();
    return std::tuple(loss, removal.score.errors, -removal.block);
  };
  std::sort(sorted.begin(), sorted.end(),
            [&](const BlockRemoval& a, const BlockRemoval& b) { return key(a) < key(b); });
  std::vector<int> order;
  for (const BlockRemoval& removal : sorted) order.push_back(removal.block);
  return order;
}

}  // namespace sdepth::inline SDEPTH_ISA
