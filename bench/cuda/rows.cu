// The benchmarks on a GPU, beside each the least time that an H100 needs for the same kernels: see
// least_time.hpp. Skipped with a sentence where there is no device.
//
//   cuda/ceilings                                         what the device at hand can do at most, by three kernels of ceilings.hpp
//   cuda/train_step/resnet110/{float32,tf32,tf32x3,bf16,bf16+tf32}/survival:…   whole training steps of 128 images, the next one handed over before the last one's loss is waited for;
//                                                         …/launches: every kernel launched by itself instead of a graph for each block;
//                                                         …/dependent: within a graph a kernel begins before the one before it has ended;
//                                                         …/persistent: blocks with small pictures in few launches forward
//   cuda/conv/DIRECTION/CHANNELSxEXTENT/{float32,tf32}    a convolution's stage, 50 of them in one graph, with tensors that rotate through more than the cache
//
// Counters: h100_us or h100_ms, the least time on an H100; of_h100, that divided by the measured one;
// of_ceilings, the same with the ceilings measured here; images_per_second, blocks_run of steps.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include <sdepth/cuda.hpp>

#include "../environment.hpp"
#include "../pictures.hpp"
#include "ceilings.hpp"
#include "least_time.hpp"

namespace sdepth::bench {
namespace {

constexpr int batch = 128;

/// True where the benchmark can run. What is wrong is found out once.
bool has_device(benchmark::State& state) {
  static const std::string missing = [] {
    try {
      static_cast<void>(cuda_device());
      return std::string();
    } catch (const Error& error) {
      return std::string("skipped: ") + error.what();
    }
  }();
  if (!missing.empty()) state.SkipWithError(missing.c_str());
  return missing.empty();
}

/// Measured once, before the rows that are compared with them.
const roofline::Ceilings& ceilings() {
  static const roofline::Ceilings measured = roofline::measured_ceilings();
  return measured;
}
void ceilings_row(benchmark::State& state) {
  if (!has_device(state)) return;
  for (auto _ : state) static_cast<void>(ceilings());
  cudaDeviceProp device;
  cuda::check(cudaGetDeviceProperties(&device, cuda::current_device()), "cudaGetDeviceProperties");
  state.counters["GB_per_s"] = ceilings().bytes / 1e9;
  state.counters["fp32_TFLOPS"] = ceilings().fp32 / 1e12;
  state.counters["tf32_TFLOPS"] = ceilings().products / 1e12;
  state.counters["multiprocessors"] = device.multiProcessorCount;
  state.counters["cache_MB"] = static_cast<double>(device.l2CacheSize) / 1e6;
  state.counters["shared_KB_of_block"] = static_cast<double>(device.sharedMemPerBlockOptin) / 1024;
  state.counters["capability"] = device.major + device.minor / 10.0;
  state.SetLabel(device.name);
}
[[maybe_unused]] const auto* const first_row = benchmark::RegisterBenchmark("cuda/ceilings", ceilings_row)->Iterations(1);

enum class Launches { graphs, single, dependent, persistent };
template <class Backend>
void train_step(benchmark::State& state, double last_survival, Launches launches) {
  if (!has_device(state)) return;
  using Net = CifarResNet<110>;
  TrainingOptions options;
  options.batch = batch;
  options.sgd.learning_rate = 0.01;
  Trainer<Net, Backend> trainer(options);
  trainer.walk().context().use_graphs(launches != Launches::single);
  trainer.walk().context().use_dependent_launches(launches == Launches::dependent);
  trainer.walk().context().use_persistent_blocks(launches == Launches::persistent);
  std::vector<double> survival;
  for (int l = 1; l <= Net::residual_blocks; ++l) survival.push_back(1 - (1 - last_survival) * l / Net::residual_blocks);
  trainer.set_survival(survival);
  const Pictures pictures(4 * batch);
  std::size_t n = 0;
  using Started = typename Trainer<Net, Backend>::Started;
  const auto start = [&]() -> Started {
    const Started started = trainer.start(NHWC<float>{pictures.images(n, batch)}, pictures.labels(n, batch));
    n = (n + batch) % (4 * batch);
    return started;
  };
  // memory, and a graph of every block in most of its forms
  for (int i = 0; i < 3; ++i) trainer.finish(start());

  std::vector<std::vector<std::uint8_t>> gates;
  std::optional<Started> before;
  const auto begin = std::chrono::steady_clock::now();
  for (auto _ : state) {
    const Started started = start();
    gates.emplace_back(trainer.gates().begin(), trainer.gates().end());
    if (before) trainer.finish(*before);
    before = started;
  }
  if (before) trainer.finish(*before);
  const double ms = 1e3 * std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

  roofline::Total least, least_here{.most = ceilings()};
  roofline::Steps<Net, typename Backend::Stored> steps(batch);
  double blocks = 0;
  for (const auto& open : gates) {
    const roofline::Recorded& step = steps.with(open);
    least.add(step);
    least_here.add(step);
    blocks += static_cast<double>(std::count(open.begin(), open.end(), std::uint8_t{1}));
  }
  const auto least_ms_of = [](const roofline::Total& total) {
    return (Backend::precision == Precision::tf32 ? total.tf32 : total.fp32) / 1e3;
  };
  const double least_ms = least_ms_of(least), count = static_cast<double>(gates.size());
  state.counters["images_per_second"] = 1e3 * batch * count / ms;
  state.counters["blocks_run"] = blocks / count;
  state.counters["h100_ms"] = least_ms / count;
  state.counters["of_h100"] = least_ms / ms;
  state.counters["of_ceilings"] = least_ms_of(least_here) / ms;
}

enum class Direction { forward, block_forward, input_gradient, block_input_gradient, weight_gradient };

/// The tensors of one call, on the device, full of numbers: of zeros a device may make faster work.
struct Tensors {
  Tensors(cuda::Context& context, std::size_t in, std::size_t out) : x(in), dx(in), shortcut(in), finished(in), y(out), dy(out) {
    for (const auto* one : {&x, &dx, &shortcut, &finished, &y, &dy}) roofline::fill(context, one->data(), one->size());
  }
  cuda::DeviceBuffer<float> x, dx, shortcut, finished, y, dy;
};

/// As within a block: norms on both sides, a mask, sums. The block_ directions are those of its first
/// convolution.
template <class Backend, ConvShape shape>
void run(typename Backend::Context& context, Direction direction, const Tensors& t, const Norm<float>& norm, float* numbers,
         const float* weights, float* weight_gradient) {
  const Source<float> inner{.x = t.x.data(), .norm = &norm, .activated = true};
  const Source<float> block{
      .x = t.x.data(), .norm = &norm, .shortcut = t.shortcut.data(), .activated = true, .finished = t.finished.data()};
  const Gradient<float> gradient{t.dy.data(), t.y.data(), &norm};
  const SourceSums<float> sums{numbers, numbers + 64, nullptr};
  switch (direction) {
    case Direction::forward:
    case Direction::block_forward:
      return Backend::template conv_forward<shape>(context, batch, direction == Direction::forward ? inner : block, weights, nullptr,
                                                   t.y.data(), {numbers, numbers + 64});
    case Direction::input_gradient:
      return Backend::template conv_backward<shape>(context, batch, gradient, inner, weights, nullptr, nullptr, nullptr, t.dx.data(), sums);
    case Direction::block_input_gradient:
      return Backend::template conv_backward<shape>(context, batch, gradient, block, weights, nullptr, nullptr, t.dx.data(), t.dx.data(),
                                                    sums);
    case Direction::weight_gradient:
      return Backend::template conv_backward<shape>(context, batch, gradient, inner, weights, weight_gradient, nullptr, nullptr, nullptr, {});
  }
}

template <ConvShape shape, Precision P>
void convolution(benchmark::State& state, Direction direction) {
  if (!has_device(state)) return;
  using Backend = Cuda<P>;
  constexpr std::size_t in = batch * detail::padded_size(shape.in, Backend::lanes), out = batch * detail::padded_size(shape.out(), Backend::lanes);
  constexpr std::size_t rotation_bytes = std::size_t{256} << 20;  // five times an H100's cache
  cuda::Context context;
  std::vector<Tensors> sets;
  for (std::size_t bytes = 0; bytes < rotation_bytes; bytes += (4 * in + 2 * out) * sizeof(float)) sets.emplace_back(context, in, out);
  constexpr auto weight_count =
      static_cast<std::size_t>(shape.kernel * shape.kernel * shape.in.channels * Backend::padded(shape.channels_out));
  const cuda::DeviceBuffer<float> weights(weight_count), weight_gradient(weight_count), numbers(std::size_t{16} * 64);
  float* const n = numbers.data();
  const Norm<float> norm{n + 128, n + 192, n + 256, n + 320, n + 384, n + 448, n + 512};
  roofline::fill(context, weights.data(), weights.size());
  roofline::fill(context, n, numbers.size());
  cudaEvent_t begin = nullptr, end = nullptr;
  cuda::check(cudaEventCreate(&begin), "cudaEventCreate");
  cuda::check(cudaEventCreate(&end), "cudaEventCreate");
  // As in a step, where a host that launched each kernel would be slower than the small ones of them.
  constexpr std::size_t calls = 50;
  const auto all = [&] {
    context.as_graph(0, [&] {
      for (std::size_t i = 0; i < calls; ++i)
        run<Backend, shape>(context, direction, sets[i % sets.size()], norm, n, weights.data(), weight_gradient.data());
    });
  };
  all();
  double seconds = 0;
  for (auto _ : state) {
    all();  // behind which the host hands over those that are timed
    cuda::check(cudaEventRecord(begin, context.stream()), "cudaEventRecord");
    all();
    cuda::check(cudaEventRecord(end, context.stream()), "cudaEventRecord");
    cuda::check(cudaEventSynchronize(end), "cudaEventSynchronize");
    float ms = 0;
    cuda::check(cudaEventElapsedTime(&ms, begin, end), "cudaEventElapsedTime");
    state.SetIterationTime(static_cast<double>(ms) / 1e3 / calls);
    seconds += static_cast<double>(ms) / 1e3 / calls;
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);

  roofline::recorded() = {};
  roofline::CountingSpace counting(1);
  run<roofline::Counting, shape>(counting, direction, sets.front(), norm, n, weights.data(), weight_gradient.data());
  const auto least_us = [](const roofline::Ceilings& most) {
    roofline::Total least{.most = most};
    least.add(roofline::recorded());
    return P == Precision::tf32 ? least.tf32 : least.fp32;
  };
  const double calls_per_us = 1e-6 * static_cast<double>(state.iterations()) / seconds;
  state.counters["h100_us"] = least_us(roofline::h100);
  state.counters["of_h100"] = least_us(roofline::h100) * calls_per_us;
  state.counters["of_ceilings"] = least_us(ceilings()) * calls_per_us;
}

template <class Backend>
void add_steps(const std::string& precision) {
  for (const char* survival : {"1.0", "0.5"})
    for (const auto& [kind, launches] :
         {std::pair("", Launches::graphs), std::pair("/launches", Launches::single), std::pair("/dependent", Launches::dependent),
          std::pair("/persistent", Launches::persistent)})
      benchmark::RegisterBenchmark(("cuda/train_step/resnet110/" + precision + "/survival:" + survival + kind).c_str(), train_step<Backend>,
                                   std::stod(survival), launches)
          ->Unit(benchmark::kMillisecond)
          ->UseRealTime()
          ->Iterations(chosen_steps(200));
}
template <ConvShape shape, Precision P>
void add_convolutions(const std::string& name) {
  for (const auto& [direction_name, direction] :
       {std::pair("forward", Direction::forward), std::pair("block_forward", Direction::block_forward),
        std::pair("input_gradient", Direction::input_gradient), std::pair("block_input_gradient", Direction::block_input_gradient),
        std::pair("weight_gradient", Direction::weight_gradient)})
    benchmark::RegisterBenchmark((std::string("cuda/conv/") + direction_name + "/" + name).c_str(), convolution<shape, P>, direction)
        ->Unit(benchmark::kMicrosecond)
        ->UseManualTime()
        ->Iterations(40);  // of 50 calls: the library would go on until the time of one call adds up to its least
}
template <Precision P>
void add(const std::string& precision) {
  add_steps<Cuda<P>>(precision);
  add_steps<Cuda<P, bfloat16>>(P == Precision::tf32 ? "bf16+tf32" : "bf16");
  add_convolutions<ConvShape{{16, 32, 32}, 16, 3, 1, 1}, P>("16x32/" + precision);
  add_convolutions<ConvShape{{32, 16, 16}, 32, 3, 1, 1}, P>("32x16/" + precision);
  add_convolutions<ConvShape{{64, 8, 8}, 64, 3, 1, 1}, P>("64x8/" + precision);
}

[[maybe_unused]] const bool added =
    (add<Precision::float32>("float32"), add<Precision::tf32>("tf32"), add_steps<Cuda<Precision::tf32x3>>("tf32x3"), true);

}  // namespace
}  // namespace sdepth::bench
