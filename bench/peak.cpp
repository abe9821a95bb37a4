// The ceiling of float32 multiply-adds: what the other benchmarks are compared with.
#include <string>

#include "measure.hpp"

namespace sdepth::bench {
namespace {

void peak(benchmark::State& state, int threads) {
  std::vector<double> rates;
  for (auto _ : state) rates.push_back(multiply_add_rate(threads));
  state.counters["GFLOPS"] = median(rates) / 1e9;
}

// The names carry the threads themselves: the benchmark library's own threads would time each apart.
const bool registered = [] {
  for (const int threads : {1, 2})
    benchmark::RegisterBenchmark(("peak/fp32/threads:" + std::to_string(threads)).c_str(), peak, threads);
  return true;
}();

}  // namespace
}  // namespace sdepth::bench
