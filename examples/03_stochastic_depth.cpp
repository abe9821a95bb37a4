// 03: stochastic depth. Schedules, gates, what a skipped block costs, another schedule without compiling
// again, and a gate for each image.
#include <sdepth/net.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <span>
#include <vector>

using namespace sdepth;

// A schedule is a type with one function. This one keeps the first half of the network and skips the second
// ever more often.
struct SecondHalf {
  static constexpr double survival(int l, int L) { return 2 * l <= L ? 1.0 : 1.0 - 0.8 * (2.0 * l - L) / L; }
};

// A schedule may change in the run. This one is at work in the first half of it, which helps networks that
// underfit; afterwards every block survives.
using FirstHalf = Early<LinearDecay<0.5>, 0.5>;

using Paper = CifarResNet<56, Input<3, 32, 32>, 10, LinearDecay<0.5>>;
using Own = CifarResNet<56, Input<3, 32, 32>, 10, SecondHalf>;
using OverTime = CifarResNet<56, Input<3, 32, 32>, 10, FirstHalf>;
static_assert(Paper::residual_blocks == 27 && Own::survival[12] == 1.0);

/// A bar for each block, as high as its survival probability.
void draw(const char* name, std::span<const double> survival) {
  double sum = 0;
  std::printf("  %-28s", name);
  for (const double p : survival) {
    std::printf("%s", p > 0.9 ? "█" : p > 0.7 ? "▆" : p > 0.5 ? "▅" : p > 0.3 ? "▃" : "▁");
    sum += p;
  }
  std::printf("  %4.1f of %zu blocks on average\n", sum, survival.size());
}

/// Milliseconds of a step, the mean of several.
template <class Net>
double time_steps(Trainer<Net, Cpu<>>& trainer, int steps) {
  const std::vector<float> images(64 * Net::input.size(), 0.5f);
  const std::vector<int> labels(64, 3);
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < steps; ++i) trainer.step(NHWC<float>{images}, labels);
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count() / steps;
}

int main() {
  std::printf("Survival probability by block:\n\n");
  draw("LinearDecay<0.5>", Paper::survival);
  draw("SecondHalf, our own", Own::survival);
  // before each epoch: trainer.set_survival(survival_at<Net>((epoch - 1.0) / epochs))
  for (const double done : {0.25, 0.75})
    draw(done < 0.5 ? "FirstHalf, at its beginning" : "FirstHalf, at its end", survival_at<OverTime>(done));

  // Gates are a pure function of (seed, step, block): no state, so any step can be looked at, and every
  // machine draws the same.
  std::printf("\nGates of the first steps with seed 7 (a dot is a skipped block):\n\n");
  for (std::uint64_t step = 0; step < 4; ++step) {
    std::printf("  step %d   ", static_cast<int>(step));
    for (int block = 0; block < Paper::residual_blocks; ++block)
      std::printf("%s",
                  gate_open(7, step, block, Paper::survival[static_cast<std::size_t>(block)]) ? "■" : "·");
    std::printf("\n");
  }

  // A skipped block's output is its input, the same pointer: its kernels do not run, its buffers are not
  // touched. So time falls with depth.
  TrainingOptions options;
  options.batch = 64;
  options.seed = 7;
  options.sgd.learning_rate = 0;
  Trainer<Paper, Cpu<>> trainer(options);
  time_steps(trainer, 2);  // the first steps fetch memory
  const double skipping = time_steps(trainer, 12);

  // The survival table can be replaced at run time, within one type. All ones: every block runs, a network of
  // constant depth.
  trainer.set_survival(std::vector<double>(27, 1.0));
  const double all = time_steps(trainer, 12);
  std::printf(
      "\nTime per step, 64 pictures:   %.1f ms with every block, %.1f ms with LinearDecay<0.5>: %.0f %% less\n",
      all, skipping, 100 * (1 - skipping / all));
  std::printf("Expected from operations:     %.0f %% less\n",
              100 * (1 - Paper::expected_operations_per_image / Paper::operations_per_image));

  // Images may have gates of their own: a branch then runs on the survivors alone, and BN's statistics are
  // theirs. Gating::per_sample_exact lets the same number survive in every step. The paper's single gate for
  // the batch saves a little more time: a block that nobody survives needs no weights prepared.
  using PerSample = CifarResNet<56, Input<3, 32, 32>, 10, LinearDecay<0.5>, Gating::per_sample>;
  Trainer<PerSample, Cpu<>> per_sample(options);
  time_steps(per_sample, 2);
  const double skipping_images = time_steps(per_sample, 12);
  // [blocks][images], of the last step
  const std::span<const std::uint8_t> last_block = per_sample.gates().last(64);
  std::printf(
      "With a gate for each image:   %.1f ms, %.0f %% less; the last block ran on %d of 64 pictures\n",
      skipping_images, 100 * (1 - skipping_images / all),
      static_cast<int>(std::count(last_block.begin(), last_block.end(), 1)));

  // At test every block runs, its branch multiplied by p_l. Gates can also be given, for a study of single
  // blocks, say.
  std::vector<std::uint8_t> gates(27, 1);
  gates[20] = 0;
  const std::vector<float> image(Paper::input.size(), 0.5f);
  const Score score = trainer.step(NHWC<float>{image}, std::vector<int>{3}, gates);
  std::printf("\nA step with gates of our own ran %d of %d blocks\n", score.blocks_run,
              Paper::residual_blocks);
}
