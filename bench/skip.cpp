// What skipping saves: steps whose gates are drawn beside steps with every block open, against what the
// closed blocks cost. README.md says how each figure comes about.
//
//   skip/NET/survival:P           linear decay to P at the last block, the paper's
//   skip_uniform/NET/survival:P   the same probability for every block: closes cheap and dear blocks alike
//   skip_per_sample/…, skip_per_sample_exact/…   as skip, with a gate for each image
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <sdepth/net.hpp>

#include "environment.hpp"
#include "measure.hpp"
#include "pictures.hpp"

namespace sdepth::bench {
namespace {

constexpr int batch = 128;

/// Processor time of several threads is no measure: they wait for each other.
[[nodiscard]] int threads() { return processor_clock() ? 1 : chosen_threads(); }

using Gates = std::vector<std::uint8_t>;

/// Steps of one network on pictures that take turns.
template <class Net>
class Steps {
 public:
  Steps() : trainer_(options()), pictures_(4 * batch) {}

  /// Seconds of a step with these gates.
  [[nodiscard]] double time(const Gates& gates) {
    const auto step = [&] {
      trainer_.step(NHWC<float>{pictures_.images(next_, batch)}, pictures_.labels(next_, batch), gates);
    };
    const double time = processor_clock() ? processor_seconds(step) : seconds(step);
    next_ = (next_ + batch) % (4 * batch);
    return time;
  }

 private:
  [[nodiscard]] static TrainingOptions options() {
    TrainingOptions options;
    options.batch = batch;
    options.threads = threads();
    options.sgd.learning_rate = 0.01;
    return options;
  }
  Trainer<Net, Cpu<>> trainer_;
  Pictures pictures_;
  std::size_t next_ = 0;
};

/// The blocks of a CIFAR ResNet by what they cost: identity blocks of 16, 32 and 64 channels, and the two
/// that change the shape.
enum Kind : std::size_t { channels_16, channels_32, channels_64, transitional, kinds };

template <int Layers>
struct Blocks {
  static constexpr int per_group = (Layers - 2) / 6, all = 3 * per_group;
  [[nodiscard]] static constexpr Kind kind(int block) noexcept {
    return block == per_group || block == 2 * per_group ? transitional : static_cast<Kind>(block / per_group);
  }
  [[nodiscard]] static Gates without(Kind closed) {
    Gates gates;
    for (int block = 0; block < all; ++block) gates.push_back(kind(block) != closed);
    return gates;
  }
  [[nodiscard]] static int count(Kind of) {
    const Gates open = without(of);
    return static_cast<int>(std::count(open.begin(), open.end(), std::uint8_t{0}));
  }
};

/// Multiply-adds per image of a step, forward and both gradients: of the whole network, of a branch of each
/// kind. The stem's input needs no gradient; the mean over the two transitional blocks stands for each.
template <int Layers>
struct Operations {
  static constexpr Shape first{16, 32, 32}, second{32, 16, 16}, third{64, 8, 8};
  template <class Block, Shape In>
  static constexpr double branch = sdepth::detail::Stages<typename Block::Words, In>::multiply_adds;
  static constexpr double all = 1.5 * CifarResNet<Layers>::operations_per_image -
                                sdepth::detail::Stages<Chain<Conv<16>>, Shape{3, 32, 32}>::multiply_adds;
  static constexpr std::array<double, kinds> of_branch{
      3 * branch<BasicBlock<16>, first>, 3 * branch<BasicBlock<32>, second>,
      3 * branch<BasicBlock<64>, third>,
      1.5 * (branch<BasicBlock<32, 2>, first> + branch<BasicBlock<64, 2>, second>)};
};

/// The network without its identity blocks, as a type: nothing of them is there to be skipped.
using Bare =
    Network<Input<3, 32, 32>, Conv<16>, BN, ReLU, StochasticDepth<BasicBlock<32, 2>, LinearDecay<0.5>>,
            StochasticDepth<BasicBlock<64, 2>, LinearDecay<0.5>>, GlobalAvgPool, Linear<10>>;

/// What blocks cost, as shares of a step with every block open.
struct Costs {
  // a branch of each kind: what closing all of that kind saves, by their number
  std::array<double, kinds> branch{};
  // a skipped block: what a step with every block closed takes longer than one of Bare
  double skipped = 0;
};

template <int Layers, class Net>
[[nodiscard]] Costs measure_costs(Steps<Net>& steps) {
  using B = Blocks<Layers>;
  const Gates open(static_cast<std::size_t>(B::all), 1), closed(open.size(), 0);
  Steps<Bare> bare;
  std::array<std::vector<double>, kinds> branch;
  std::vector<double> skipped;
  double before = steps.time(open);
  for (int round = 0; round < std::max(3, chosen_steps(20) / 2); ++round) {
    for (std::size_t kind = 0; kind < kinds; ++kind) {  // each between two steps with every block open
      const double without = steps.time(B::without(static_cast<Kind>(kind))), after = steps.time(open);
      branch[kind].push_back((1 - without / (0.5 * (before + after))) / B::count(static_cast<Kind>(kind)));
      before = after;
    }
    static_cast<void>(bare.time({0, 0}));  // whichever comes first after other work is slower
    static_cast<void>(steps.time(closed));
    const double without = bare.time({0, 0}), with = steps.time(closed);
    skipped.push_back((with - without) / before / (B::all - 2));
  }
  Costs costs;
  std::transform(branch.begin(), branch.end(), costs.branch.begin(), median);
  costs.skipped = median(skipped);
  return costs;
}

/// The value that half of the weight lies below.
[[nodiscard]] double weighted_median(std::vector<std::pair<double, double>> values_and_weights) {
  std::sort(values_and_weights.begin(), values_and_weights.end());
  double half = 0;
  for (const auto& [value, weight] : values_and_weights) half += weight / 2;
  for (const auto& [value, weight] : values_and_weights)
    if ((half -= weight) <= 0) return value;
  return 0;
}

/// The gates of a step: [blocks], or [blocks][batch].
template <Gating Kind>
[[nodiscard]] Gates draw(std::uint64_t step, const std::vector<double>& survival) {
  Gates gates(survival.size() * (Kind == Gating::per_batch ? 1 : batch));
  if (Kind == Gating::per_batch) draw_gates(0, step, survival, gates);
  for (std::size_t block = 0; Kind != Gating::per_batch && block < survival.size(); ++block) {
    const auto of_block = std::span(gates).subspan(block * batch, batch);
    const auto draw_images = Kind == Gating::per_sample ? draw_image_gates : draw_exact_image_gates;
    draw_images(0, step, static_cast<int>(block), survival[block], of_block);
  }
  return gates;
}

template <int Layers, Gating Kind>
void skip(benchmark::State& state, double last_survival, bool uniform) {
  using B = Blocks<Layers>;
  using Work = Operations<Layers>;
  Steps<CifarResNet<Layers, Input<3, 32, 32>, 10, LinearDecay<0.5>, Kind>> steps;
  std::vector<double> survival;
  for (int l = 1; l <= B::all; ++l)
    survival.push_back(uniform ? last_survival : 1 - (1 - last_survival) * l / B::all);
  const Gates open(survival.size(), 1);
  static_cast<void>(steps.time(open));  // memory is touched for the first time
  // with one gate for all images, so the same whatever the gating
  static const Costs costs = measure_costs<Layers>(steps);

  std::vector<double> times, open_times, ideal_times, ratios, ideal_ratios, ceilings;
  // efficiencies, weighted by what there was to save
  std::vector<std::pair<double, double>> by_time, by_operations;
  double before = steps.time(open), blocks = 0;
  std::uint64_t step = 0;
  for (auto _ : state) {
    const Gates gates = draw<Kind>(step++, survival);
    const double time = steps.time(gates), after = steps.time(open), all = 0.5 * (before + after);
    before = after;
    state.SetIterationTime(time);

    double share = 0, share_of_operations = 0;
    for (int block = 0; block < B::all; ++block) {
      const auto per_block = static_cast<std::ptrdiff_t>(gates.size() / survival.size());
      const auto first = gates.begin() + block * per_block;
      const double closed = static_cast<double>(std::count(first, first + per_block, std::uint8_t{0})) /
                            static_cast<double>(per_block);
      share += closed * (costs.branch[B::kind(block)] + costs.skipped);
      share_of_operations += closed * Work::of_branch[B::kind(block)] / Work::all;
      blocks += 1 - closed;
    }
    const double saved = 1 - time / all;
    if (share > 0) by_time.emplace_back(saved / share, share);
    if (share_of_operations > 0) by_operations.emplace_back(saved / share_of_operations, share_of_operations);
    times.push_back(time);
    open_times.push_back(after);
    ideal_times.push_back(all * (1 - share));
    ratios.push_back(time / all);
    ideal_ratios.push_back(1 - share);
    ceilings.push_back(multiply_add_rate(threads()));
  }
  const double all = median(open_times);
  state.counters["ms"] = median(times) * 1e3;
  state.counters["all_open_ms"] = all * 1e3;
  state.counters["ideal_ms"] = median(ideal_times) * 1e3;
  state.counters["of_all_open"] = median(ratios);
  state.counters["ideal_of_all_open"] = median(ideal_ratios);
  state.counters["blocks_run"] = blocks / static_cast<double>(times.size());
  if (!by_time.empty()) {  // else nothing was closed, and there was nothing to save
    state.counters["efficiency"] = weighted_median(by_time);
    state.counters["efficiency_operations"] = weighted_median(by_operations);
  }
  for (std::size_t kind = 0; kind < kinds; ++kind)
    state.counters[std::array{"block16_ms", "block32_ms", "block64_ms", "transitional_ms"}[kind]] =
        (costs.branch[kind] + costs.skipped) * all * 1e3;
  state.counters["skipped_block_us"] = costs.skipped * all * 1e6;
  state.counters["ceiling_GFLOPS"] = median(ceilings) / 1e9;
}

template <int Layers, Gating Kind = Gating::per_batch>
void add(const char* group, std::initializer_list<const char*> survivals, bool uniform) {
  for (const char* survival : survivals)
    benchmark::RegisterBenchmark(
        (std::string(group) + "/resnet" + std::to_string(Layers) + "/survival:" + survival).c_str(),
        skip<Layers, Kind>, std::stod(survival), uniform)
        ->Unit(benchmark::kMillisecond)
        ->UseManualTime()
        ->Iterations(chosen_steps(20));
}

// Fixed numbers of steps: the same gates whatever the machine's speed.
[[maybe_unused]] const bool added = [] {
  add<56>("skip", {"1.0", "0.8", "0.5", "0.2"}, false);
  add<110>("skip", {"1.0", "0.8", "0.5", "0.2"}, false);
  add<56>("skip_uniform", {"0.5"}, true);
  add<110>("skip_uniform", {"0.5"}, true);
  add<56, Gating::per_sample>("skip_per_sample", {"0.5"}, false);
  add<110, Gating::per_sample>("skip_per_sample", {"0.5", "0.2"}, false);
  add<110, Gating::per_sample_exact>("skip_per_sample_exact", {"0.5"}, false);
  return true;
}();

}  // namespace
}  // namespace sdepth::bench
