// How the benchmarks measure: medians of wall time, and beside each the ceiling of multiply-adds and the rate
// of memory, measured between its own repetitions, so that a neighbour on the machine slows them all.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <vector>

#include <benchmark/benchmark.h>

#include <sdepth/core/memory.hpp>
#include <sdepth/core/parallel.hpp>
#include <sdepth/kernels/cpu/vector.hpp>

namespace sdepth::bench {

[[nodiscard]] inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Seconds that a call takes.
template <class F>
[[nodiscard]] double seconds(const F& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of processor time, over all threads of the program: with one thread and on a machine that others
/// use, what seconds() would be on a quiet one.
template <class F>
[[nodiscard]] double processor_seconds(const F& f) {
  const std::clock_t start = std::clock();
  f();
  return static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
}

/// Multiply-adds in chains of their own: 12 chains keep two units of 4 cycles' latency busy. Returns their
/// floating-point operations.
template <class Arch = xsimd::default_arch>
double multiply_adds(int repetitions) {
  constexpr std::size_t chains = 12;
  cpu::Vector<Arch> sum[chains];
  float start = 1e-3F, factor = 0.999F;
  benchmark::DoNotOptimize(start);
  benchmark::DoNotOptimize(factor);
  // equal chains would be merged into one
  for (std::size_t c = 0; c < chains; ++c) sum[c] = cpu::all<Arch>(start + static_cast<float>(c));
  const cpu::Vector<Arch> x = cpu::all<Arch>(factor), y = cpu::all<Arch>(start);
  for (int i = 0; i < repetitions; ++i) {
    SDEPTH_UNROLL(12)
    for (std::size_t c = 0; c < chains; ++c) sum[c] = cpu::fma<Arch>(sum[c], x, y);
  }
  for (cpu::Vector<Arch>& s : sum) {
    float values[static_cast<std::size_t>(cpu::lanes<Arch>)];
    cpu::store<Arch>(values, s);
    benchmark::DoNotOptimize(values);
  }
  return 2.0 * repetitions * static_cast<double>(chains) * cpu::lanes<Arch>;
}

/// Floating-point operations per second of `threads` threads that do nothing but multiply-add, over about a
/// millisecond.
[[nodiscard]] inline double multiply_add_rate(int threads) {
  constexpr int repetitions = 200000;
  double operations = 0;
  const double time = seconds([&] {
    std::vector<double> done(static_cast<std::size_t>(threads));
    parallel_for(threads, threads,
                 [&](int i, int) { done[static_cast<std::size_t>(i)] = multiply_adds(repetitions); });
    for (const double d : done) operations += d;
  });
  return operations / time;
}

/// Buffers that rotate through so many bytes come from memory every time: five times an L3 of 32 MiB.
inline constexpr std::size_t rotation_bytes = std::size_t{160} << 20;

/// Bytes per second, read and written, of `threads` threads that do nothing but add 1 to the numbers of one
/// array and store them in another, cold ones every time: 8 MiB of each.
[[nodiscard]] inline double memory_rate(int threads) {
  using Arch = xsimd::default_arch;
  constexpr std::size_t piece = (std::size_t{8} << 20) / sizeof(float),
                        pieces = rotation_bytes / sizeof(float) / piece;
  static Buffer<float> numbers(pieces * piece);
  static std::size_t next = 0;
  const float* from = numbers.data() + next % pieces * piece;
  float* to = numbers.data() + (next + 1) % pieces * piece;
  next += 2;
  const double time = seconds([&] {
    const auto share = piece / static_cast<std::size_t>(threads) / 16 * 16;
    parallel_for(threads, threads, [&](int thread, int) {
      for (std::size_t i = static_cast<std::size_t>(thread) * share, end = i + share; i < end;
           i += cpu::lanes<Arch>)
        cpu::store<Arch>(to + i, cpu::load<Arch>(from + i) + cpu::all<Arch>(1.0F));
    });
  });
  return 2.0 * piece * sizeof(float) / time;
}

/// What a repetition does: floating-point operations, and bytes between memory and processor, each array
/// counted once for each way; 0: they stay in cache.
struct Amount {
  double operations = 0;
  double bytes = 0;
};

/// Runs `work` for as long as the benchmark asks. Counters: GFLOPS and milliseconds of the median; its ratio
/// to the ceiling's median, and that of the best repetition to the best ceiling, which says more on a machine
/// that others use, too. Where there are bytes: how many MB, the memory's GB/s in this run, memory_ms, the
/// least time for them that follows, and its share of the time, 1 if memory bounds it, in medians and in
/// bests as above.
template <class Work>
void measure(benchmark::State& state, int threads, const Amount& amount, const Work& work) {
  const double operations = amount.operations;
  std::vector<double> times, ceilings, memory;
  for (auto _ : state) {
    times.push_back(seconds(work));
    ceilings.push_back(multiply_add_rate(threads));
    if (amount.bytes > 0) memory.push_back(memory_rate(threads));
  }
  if (amount.bytes > 0) {
    state.counters["MB"] = amount.bytes / 1e6;
    state.counters["memory_GBps"] = median(memory) / 1e9;
    state.counters["memory_ms"] = amount.bytes / median(memory) * 1e3;
    state.counters["of_memory"] = amount.bytes / median(memory) / median(times);
    state.counters["best_of_memory"] = amount.bytes / *std::max_element(memory.begin(), memory.end()) /
                                       *std::min_element(times.begin(), times.end());
  }
  const double rate = operations / median(times);
  state.counters["GFLOPS"] = rate / 1e9;
  state.counters["of_ceiling"] = rate / median(ceilings);
  state.counters["best_of_ceiling"] = operations / *std::min_element(times.begin(), times.end()) /
                                      *std::max_element(ceilings.begin(), ceilings.end());
  state.counters["ms"] = median(times) * 1e3;
}

}  // namespace sdepth::bench
