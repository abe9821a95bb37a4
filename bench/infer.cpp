// Inference with the CIFAR ResNets: a batch of 128 on two threads, and one image on one thread; with weights
// in float32, and in 16 bits.
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <sdepth/net.hpp>

#include "environment.hpp"
#include "measure.hpp"
#include "pictures.hpp"

namespace sdepth::bench {
namespace {

template <int Layers, class Weight>
void infer(benchmark::State& state, int batch) {
  using Net = CifarResNet<Layers>;
  const int threads = batch == 1 ? 1 : chosen_threads();
  auto weights = std::make_shared<Weights<Net, Cpu<>>>();
  initialise(*weights, 1, GammaInit::one);
  const auto folded = std::make_shared<const FoldedWeights<Net, Cpu<>, Weight>>(*weights);
  Inference<Net, Cpu<>, Weight> inference(folded, batch, threads);
  const Pictures pictures(4 * batch);
  const auto count = static_cast<std::size_t>(batch);
  std::vector<float> logits(count * Net::output.size());
  std::size_t n = 0;
  const auto step = [&] {
    inference.predict(NHWC<float>{pictures.images(n, count)}, logits);
    n = (n + count) % (4 * count);
  };
  step();  // weights and memory come into the caches
  for (auto _ : state) step();
  state.counters["images_per_second"] =
      benchmark::Counter(batch, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["GFLOPS"] = benchmark::Counter(1e-9 * Net::operations_per_image * batch,
                                                benchmark::Counter::kIsIterationInvariantRate);
  state.counters["parameters"] = static_cast<double>(Net::parameter_count);
  state.counters["multiply_adds"] = Net::operations_per_image / 2;
  // as they lie in memory: what one image waits for
  state.counters["weights_MB"] = static_cast<double>(folded->size() * sizeof(float)) / 1e6;
  state.counters["memory_GBps"] = memory_rate(threads) / 1e9;
  state.counters["ceiling_GFLOPS"] = multiply_add_rate(threads) / 1e9;
}

template <int Layers, class Weight = float>
bool add() {
  const std::string precision = std::is_same_v<Weight, bfloat16>  ? "/bf16"
                                : std::is_same_v<Weight, float16> ? "/f16"
                                                                  : "";
  for (const int batch : {1, 128})
    benchmark::RegisterBenchmark(
        ("infer/resnet" + std::to_string(Layers) + precision + "/batch:" + std::to_string(batch)).c_str(),
        infer<Layers, Weight>, batch)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  return true;
}
[[maybe_unused]] const bool added = add<20>() && add<56>() && add<110>() && add<20, bfloat16>() &&
                                    add<56, bfloat16>() && add<110, bfloat16>() && add<110, float16>();

}  // namespace
}  // namespace sdepth::bench
