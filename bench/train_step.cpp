// Whole training steps of the CIFAR ResNets: forward, loss, backward, SGD; batch 128 of 3 × 32 × 32 images.
// With activations in float32, and in bfloat16, rounded to nearest and stochastically.
#include <string>
#include <type_traits>

#include <sdepth/net.hpp>

#include "environment.hpp"
#include "measure.hpp"
#include "peak_memory.hpp"
#include "pictures.hpp"

namespace sdepth::bench {
namespace {

template <int Layers, class Backend>
void train_step(benchmark::State& state, double last_survival, Rounding rounding) {
  using Net = CifarResNet<Layers>;
  constexpr int batch = 128;
  reset_peak_memory();
  TrainingOptions options;
  options.batch = batch;
  options.threads = chosen_threads();
  options.sgd.learning_rate = 0.01;
  options.rounding = rounding;
  Trainer<Net, Backend> trainer(options);
  std::vector<double> survival;
  for (int l = 1; l <= Net::residual_blocks; ++l)
    survival.push_back(1 - (1 - last_survival) * l / Net::residual_blocks);
  trainer.set_survival(survival);
  const Pictures pictures(4 * batch);
  std::size_t n = 0;
  const auto step = [&] {
    trainer.step(NHWC<float>{pictures.images(n, batch)}, pictures.labels(n, batch));
    n = (n + batch) % (4 * batch);
  };
  step();  // memory is touched for the first time
  double blocks = 0;
  for (auto _ : state) {
    step();
    for (const auto gate : trainer.gates()) blocks += gate;
  }
  // 3 passes of the network's forward operations, those of the skipped blocks left out on average over the
  // gates drawn.
  const double share = blocks / (static_cast<double>(state.iterations()) * Net::residual_blocks);
  state.counters["images_per_second"] =
      benchmark::Counter(batch, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GFLOPS"] = benchmark::Counter(3e-9 * Net::operations_per_image * batch * share,
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.counters["ceiling_GFLOPS"] = multiply_add_rate(options.threads) / 1e9;
  state.counters["blocks_run"] = blocks / static_cast<double>(state.iterations());
  state.counters["peak_mib"] = peak_memory_mib();
}

template <int Layers, class Backend = Cpu<>>
void add(int iterations) {
  const auto add_row = [&](const std::string& storage, const std::string& survival, Rounding rounding) {
    benchmark::RegisterBenchmark(
        ("train_step/resnet" + std::to_string(Layers) + storage + "/survival:" + survival).c_str(),
        train_step<Layers, Backend>, std::stod(survival), rounding)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime()
        ->Iterations(chosen_steps(iterations));
  };
  const std::string storage = std::is_same_v<Backend, CpuBfloat16> ? "/bf16" : "";
  for (const char* survival : {"1.0", "0.5"}) add_row(storage, survival, Rounding::nearest);
  if (RoundsStochastically<Backend>) add_row(storage + "/stochastic", "1.0", Rounding::stochastic);
}

// Fixed numbers of steps, so that with survival 0.5 the same gates are drawn whatever the machine's speed.
[[maybe_unused]] const bool added = (add<20>(60), add<56>(24), add<110>(16), add<20, CpuBfloat16>(60),
                                     add<56, CpuBfloat16>(24), add<110, CpuBfloat16>(16), true);

}  // namespace
}  // namespace sdepth::bench
