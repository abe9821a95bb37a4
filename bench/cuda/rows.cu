// The benchmarks on a GPU, beside each the least time that an H100 needs for the same kernels: see least_time.hpp. Skipped with a sentence where there is no device.
//
//   cuda/train_step/resnet110/{float32,tf32}/survival:…   whole training steps of 128 images, the next one handed over before the last one's loss is waited for
//   cuda/conv/DIRECTION/CHANNELSxEXTENT/{float32,tf32}    a convolution's stage, with tensors that rotate through more than the cache
//
// Counters: h100_us or h100_ms, the least time; of_h100, that divided by the measured one; images_per_second, blocks_run of steps.
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

template <Precision P>
void train_step(benchmark::State& state, double last_survival) {
  if (!has_device(state)) return;
  using Net = CifarResNet<110>;
  TrainingOptions options;
  options.batch = batch;
  options.sgd.learning_rate = 0.01;
  Trainer<Net, Cuda<P>> trainer(options);
  std::vector<double> survival;
  for (int l = 1; l <= Net::residual_blocks; ++l) survival.push_back(1 - (1 - last_survival) * l / Net::residual_blocks);
  trainer.set_survival(survival);
  const Pictures pictures(4 * batch);
  std::size_t n = 0;
  using Started = typename Trainer<Net, Cuda<P>>::Started;
  const auto start = [&]() -> Started {
    const Started started = trainer.start(NHWC<float>{pictures.images(n, batch)}, pictures.labels(n, batch));
    n = (n + batch) % (4 * batch);
    return started;
  };
  for (int i = 0; i < 3; ++i) trainer.finish(start());  // memory, and a graph of every block in most of its forms

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

  roofline::Total least;
  roofline::Steps<Net> steps(batch);
  double blocks = 0;
  for (const auto& open : gates) {
    least.add(steps.with(open));
    blocks += static_cast<double>(std::count(open.begin(), open.end(), std::uint8_t{1}));
  }
  const double least_ms = (P == Precision::tf32 ? least.tf32 : least.fp32) / 1e3, count = static_cast<double>(gates.size());
  state.counters["images_per_second"] = 1e3 * batch * count / ms;
  state.counters["blocks_run"] = blocks / count;
  state.counters["h100_ms"] = least_ms / count;
  state.counters["of_h100"] = least_ms / ms;
}

enum class Direction { forward, block_forward, input_gradient, block_input_gradient, weight_gradient };

/// The tensors of one call, on the device. Numbers are those that memory happens to hold after it was zeroed: a GPU takes as long for them.
struct Tensors {
  Tensors(std::size_t in, std::size_t out) : x(in), dx(in), shortcut(in), finished(in), y(out), dy(out) {}
  cuda::DeviceBuffer<float> x, dx, shortcut, finished, y, dy;
};

/// As within a block: norms on both sides, a mask, sums. The block_ directions are those of its first convolution.
template <class Backend, ConvShape shape>
void run(typename Backend::Space& space, Direction direction, const Tensors& t, const Norm<float>& norm, float* numbers,
         const float* weights, float* weight_gradient) {
  const Source<float> inner{.x = t.x.data(), .norm = &norm, .activated = true};
  const Source<float> block{
      .x = t.x.data(), .norm = &norm, .shortcut = t.shortcut.data(), .activated = true, .finished = t.finished.data()};
  const Gradient<float> gradient{t.dy.data(), t.y.data(), &norm};
  const SourceSums<float> sums{numbers, numbers + 64, nullptr};
  switch (direction) {
    case Direction::forward:
    case Direction::block_forward:
      return Backend::template conv_forward<shape>(space, batch, direction == Direction::forward ? inner : block, weights, nullptr,
                                                   t.y.data(), {numbers, numbers + 64});
    case Direction::input_gradient:
      return Backend::template conv_backward<shape>(space, batch, gradient, inner, weights, nullptr, nullptr, nullptr, t.dx.data(), sums);
    case Direction::block_input_gradient:
      return Backend::template conv_backward<shape>(space, batch, gradient, block, weights, nullptr, nullptr, t.dx.data(), t.dx.data(),
                                                    sums);
    case Direction::weight_gradient:
      return Backend::template conv_backward<shape>(space, batch, gradient, inner, weights, weight_gradient, nullptr, nullptr, nullptr, {});
  }
}

template <ConvShape shape, Precision P>
void convolution(benchmark::State& state, Direction direction) {
  if (!has_device(state)) return;
  using Backend = Cuda<P>;
  constexpr std::size_t in = batch * padded_size(shape.in, Backend::lanes), out = batch * padded_size(shape.out(), Backend::lanes);
  constexpr std::size_t rotation_bytes = std::size_t{256} << 20;  // five times an H100's cache
  std::vector<Tensors> sets;
  for (std::size_t bytes = 0; bytes < rotation_bytes; bytes += (4 * in + 2 * out) * sizeof(float)) sets.emplace_back(in, out);
  constexpr auto weight_count =
      static_cast<std::size_t>(shape.kernel * shape.kernel * shape.in.channels * Backend::padded(shape.channels_out));
  const cuda::DeviceBuffer<float> weights(weight_count), weight_gradient(weight_count), numbers(std::size_t{16} * 64);
  float* const n = numbers.data();
  const Norm<float> norm{n + 128, n + 192, n + 256, n + 320, n + 384, n + 448, n + 512};
  cuda::Space space;
  cudaEvent_t begin = nullptr, end = nullptr;
  cuda::check(cudaEventCreate(&begin), "cudaEventCreate");
  cuda::check(cudaEventCreate(&end), "cudaEventCreate");
  constexpr int calls = 50;  // between two events, so that the host's own time is hidden
  std::size_t next = 0;
  const auto all = [&] {
    for (int i = 0; i < calls; ++i)
      run<Backend, shape>(space, direction, sets[next++ % sets.size()], norm, n, weights.data(), weight_gradient.data());
  };
  all();
  double seconds = 0;
  for (auto _ : state) {
    cuda::check(cudaEventRecord(begin, space.stream()), "cudaEventRecord");
    all();
    cuda::check(cudaEventRecord(end, space.stream()), "cudaEventRecord");
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
  roofline::Total least;
  least.add(roofline::recorded());
  const double least_us = P == Precision::tf32 ? least.tf32 : least.fp32;
  state.counters["h100_us"] = least_us;
  state.counters["of_h100"] = least_us * 1e-6 * static_cast<double>(state.iterations()) / seconds;
}

template <Precision P>
void add_steps(const std::string& precision) {
  for (const char* survival : {"1.0", "0.5"})
    benchmark::RegisterBenchmark(("cuda/train_step/resnet110/" + precision + "/survival:" + survival).c_str(), train_step<P>,
                                 std::stod(survival))
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
        ->UseManualTime();
}
template <Precision P>
void add(const std::string& precision) {
  add_steps<P>(precision);
  add_convolutions<ConvShape{{16, 32, 32}, 16, 3, 1, 1}, P>("16x32/" + precision);
  add_convolutions<ConvShape{{32, 16, 16}, 32, 3, 1, 1}, P>("32x16/" + precision);
  add_convolutions<ConvShape{{64, 8, 8}, 64, 3, 1, 1}, P>("64x8/" + precision);
}

[[maybe_unused]] const bool added = (add<Precision::float32>("float32"), add<Precision::tf32>("tf32"), true);

}  // namespace
}  // namespace sdepth::bench
