// The ImageNet ResNets at 3 × 224 × 224: one image on one thread, batches of 16, and training steps of 16.
#include <memory>
#include <string>
#include <vector>

#include <sdepth/models/imagenet_resnet.hpp>
#include <sdepth/net.hpp>

#include "environment.hpp"
#include "measure.hpp"
#include "peak_memory.hpp"

namespace sdepth::bench {
namespace {

/// Random numbers about zero, as after normalisation: for speed alone, what is on the pictures does not
/// matter.
template <class Net>
[[nodiscard]] std::vector<float> random_images(int count) {
  std::vector<float> images(static_cast<std::size_t>(count) * Net::input.size());
  for (std::size_t i = 0; i < images.size(); ++i)
    images[i] = static_cast<float>(
        4 * uniform(random_words(3, Purpose::synthetic, 0, static_cast<std::uint32_t>(i))[0]) - 2);
  return images;
}

template <class Net>
void count_work(benchmark::State& state, int batch, int threads, double passes) {
  state.counters["images_per_second"] =
      benchmark::Counter(batch, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GFLOPS"] = benchmark::Counter(1e-9 * passes * Net::operations_per_image * batch,
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.counters["ceiling_GFLOPS"] = multiply_add_rate(threads) / 1e9;
}

template <class Net>
void infer(benchmark::State& state, int batch) {
  const int threads = batch == 1 ? 1 : chosen_threads();
  auto weights = std::make_shared<Weights<Net, Cpu<>>>();
  initialise(*weights, 1, GammaInit::one);
  Inference<Net, Cpu<>> inference(weights, {.batch = batch, .threads = threads});
  weights.reset();
  const std::vector<float> images = random_images<Net>(batch);
  std::vector<float> logits(static_cast<std::size_t>(batch) * Net::output.size());
  const auto step = [&] { inference.predict(NHWC<float>{images}, logits); };
  step();  // weights and memory come into the caches
  for (auto _ : state) step();
  count_work<Net>(state, batch, threads, 1);
}

template <class Net>
void train_step(benchmark::State& state, int batch) {
  reset_peak_memory();
  Trainer<Net, Cpu<>> trainer({.batch = batch, .threads = chosen_threads(), .sgd = {.learning_rate = 0.01}});
  const std::vector<float> images = random_images<Net>(batch);
  std::vector<int> labels;
  for (int n = 0; n < batch; ++n) labels.push_back(61 * n % 1000);
  const auto step = [&] { trainer.step(NHWC<float>{images}, labels); };
  step();  // memory is touched for the first time
  for (auto _ : state) step();
  count_work<Net>(state, batch, chosen_threads(), 3);
  state.counters["peak_mib"] = peak_memory_mib();
}

template <class Net>
bool add(const std::string& name) {
  const auto row = [&](const std::string& work, int batch, void (*run)(benchmark::State&, int)) {
    benchmark::RegisterBenchmark((work + "/" + name + "/batch:" + std::to_string(batch)).c_str(), run, batch)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  };
  row("infer", 1, infer<Net>);
  row("infer", 16, infer<Net>);
  row("train_step", 16, train_step<Net>);
  return true;
}
[[maybe_unused]] const bool added = add<ResNet18>("resnet18") && add<ResNet50>("resnet50");

}  // namespace
}  // namespace sdepth::bench
