// Choices by environment variables, for scripts that compare this program with others:
// bench/peers/compare.py.
//
//   SDEPTH_BENCH_THREADS  threads of training steps and of inference in batches; 2 if unset
//   SDEPTH_BENCH_STEPS    timed training steps; unset: each benchmark's own number
//   SDEPTH_BENCH_CLOCK    processor: skip/* counts processor time, of one thread, and so leaves out the time that other programs take
#pragma once

#include <cstdlib>
#include <string_view>

namespace sdepth::bench {

/// The variable's value, or `otherwise` where it is unset or not a positive number.
[[nodiscard]] inline int from_environment(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  const int value = text ? std::atoi(text) : 0;
  return value > 0 ? value : otherwise;
}

[[nodiscard]] inline int chosen_threads() { return from_environment("SDEPTH_BENCH_THREADS", 2); }
[[nodiscard]] inline bool processor_clock() {
  const char* text = std::getenv("SDEPTH_BENCH_CLOCK");
  return text && std::string_view(text) == "processor";
}
[[nodiscard]] inline int chosen_steps(int otherwise) {
  return from_environment("SDEPTH_BENCH_STEPS", otherwise);
}

}  // namespace sdepth::bench
