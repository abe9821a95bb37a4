// 07: depth at inference. A network that was trained with blocks missing bears losing some for good: which
// ones, what it saves, what it costs.
#include <sdepth/net.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <memory>
#include <vector>

#include <sdepth/data/loader.hpp>
#include <sdepth/data/synthetic.hpp>

using namespace sdepth;

// 26 layers, 12 residual blocks; the last survives half of all training steps.
constexpr int classes = 4;
using Net = CifarResNet<26, Input<3, 16, 16>, classes>;
using Backend = Cpu<>;

struct Pictures {
  std::vector<float> images;
  std::vector<int> labels;
};
Pictures normalised(const ImageSet& set, const Normalization& normalization) {
  Pictures pictures{std::vector<float>(set.pixels.size()), {set.labels.begin(), set.labels.end()}};
  for (int i = 0; i < set.size(); ++i)
    normalization.apply(set.image(i),
                        pictures.images.data() + static_cast<std::size_t>(i) * set.shape.size());
  return pictures;
}

/// Microseconds per picture on one thread, the best of several passes.
double microseconds(const Weights<Net, Backend>& weights, const DepthPlan& plan, const Pictures& pictures) {
  // Weights are folded for a plan: what it drops has no numbers, no memory and no place in the loop over
  // blocks. The type is still the whole network's.
  const auto folded =
      std::make_shared<const FoldedWeights<Net, Backend>>(weights, Net::survival, Scaling::test, plan);
  Inference<Net, Backend> network(folded);
  std::vector<float> logits(pictures.labels.size() * classes);
  double best = std::numeric_limits<double>::infinity();
  for (int pass = 0; pass < 3; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    network.predict(NHWC<float>{pictures.images}, logits);
    best = std::min(
        best, std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count());
  }
  return best / static_cast<double>(pictures.labels.size());
}

int main() {
  // Trained as in 02, with pictures held out: blocks are chosen by these, so that the test set has had no
  // say.
  DataSet data = synthetic(Net::input, classes, /*train*/ 1984, /*test*/ 600, /*seed*/ 1);
  const ImageSet held_out = data.train.split_off(384);
  const Normalization normalization = Normalization::paper(data.train);
  const Pictures train = normalised(data.train, normalization),
                 validation = normalised(held_out, normalization),
                 test = normalised(data.test, normalization);
  TrainingOptions options;
  options.batch = 64;
  options.seed = 1;
  options.sgd.learning_rate = 0.05;
  Trainer<Net, Backend> trainer(options);
  Loader loader(data.train, normalization, {.batch = 64, .seed = 1});
  constexpr int epochs = 8;
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    if (epoch == 6) trainer.set_learning_rate(0.005);
    loader.start(epoch);
    while (const Batch* batch = loader.next()) trainer.step(NHWC<float>{batch->images}, batch->labels);
  }
  Weights<Net, Backend>& weights = *trainer.weights();

  // Each block's worth: the network without it, all others running.
  const std::vector<BlockRemoval> removals =
      remove_each_block(weights, NHWC<float>{validation.images}, validation.labels);
  const Score whole = score_at_depth(weights, {}, NHWC<float>{validation.images}, validation.labels);
  std::printf("Validation error with all %d blocks %.1f %%, loss %.3f. Without block\n\n",
              Net::residual_blocks, 100 * whole.error_rate(), whole.loss);
  for (const BlockRemoval& removal : removals)
    std::printf("  %2d   error %5.1f %%   loss %.3f   survived %3.0f %% of steps\n", removal.block,
                100 * removal.score.error_rate(), removal.score.loss,
                100 * Net::survival[static_cast<std::size_t>(removal.block)]);

  // Two orders of dropping blocks, and a plan for each budget. A plan is a list of bytes: one of your own is
  // as good.
  const std::vector<int> by_harm = drop_order_by_harm(removals), by_survival = drop_order_by_survival<Net>();
  const auto error = [&](const DepthPlan& plan) {
    return 100 * score_at_depth(weights, plan, NHWC<float>{test.images}, test.labels).error_rate();
  };
  // Running statistics were collected under random gates. For one depth they can be taken again, from a few
  // batches of training pictures.
  const std::vector<float> running(weights.running().span().begin(), weights.running().span().end());
  const auto error_with_own_statistics = [&](const DepthPlan& plan) {
    reestimate_norms(weights, NHWC<float>{std::span(train.images).first(4 * 128 * Net::input.size())}, plan);
    const double found = error(plan);
    std::copy(running.begin(), running.end(), weights.running().data());
    return found;
  };

  std::printf("\n                                   test error in %%, blocks dropped\n");
  std::printf("blocks  operations  µs/picture   by survival   by harm   by harm, statistics taken again\n");
  double first_time = 0, last_time = 0;
  for (int kept = Net::residual_blocks; kept >= 3; kept -= 2) {
    const DepthPlan plan = keep_blocks<Net>(by_harm, kept);
    last_time = microseconds(weights, plan, test);
    if (kept == Net::residual_blocks) first_time = last_time;
    std::printf("%4d      %5.1f %%     %6.1f        %5.1f        %5.1f     %5.1f\n", kept,
                100 * operations_of<Net>(plan) / Net::operations_per_image, last_time,
                error(keep_blocks<Net>(by_survival, kept)), error(plan), error_with_own_statistics(plan));
  }

  // A budget can also be a share of the operations.
  const DepthPlan half = keep_operations<Net>(by_harm, 0.5);
  std::printf("\nWithin half of the operations: %d blocks, test error %.1f %%\n", blocks_kept<Net>(half),
              error(half));
  std::printf("The shortest takes %.0f %% of the whole network's time\n", 100 * last_time / first_time);
}
